/** The clients that are compared: as they come, and with the best options that are known. */
import { Redis } from "ioredis";
import { createClient, createSentinel } from "redis";
import { createLeasehold, serviceTopology, statusTopology } from "../../src/index.ts";
import { GROUP } from "./sentinels.ts";
import type { Place } from "./stages.ts";

export interface Writer {
  push(token: string): Promise<unknown>;
  end(): Promise<void> | void;
}

export interface Contestant {
  readonly name: string;
  readonly by: "service" | "sentinels";
  readonly isOurs?: true;
  open(place: Place): Promise<Writer>;
}

export const LIST = "tokens";

const PATIENCE_MS = 5_000;
const reconnectOnError = (error: Error): 2 | false => error.message.startsWith("READONLY") && 2;
/** By itself it gives up for ever after `socketTimeout`. */
const reconnectStrategy = (retries: number): number => Math.min(50 * retries, 1_000);
const BEST = {
  autoResendUnfulfilledCommands: false,
  commandTimeout: PATIENCE_MS,
  socketTimeout: PATIENCE_MS,
  reconnectOnError,
};
const sentinelsOf = ({ sentinels }: Place) => ({ sentinels: [...sentinels], name: GROUP });

export const CONTESTANTS: readonly Contestant[] = [
  {
    name: "ioredis 6.0.0, defaults",
    by: "service",
    open: async ({ service }) => ioredis(new Redis(service)),
  },
  {
    name: "ioredis 6.0.0, best options",
    by: "service",
    open: async ({ service }) => ioredis(new Redis({ ...service, ...BEST })),
  },
  {
    name: "node-redis 6.3.1, defaults",
    by: "service",
    open: ({ service }) => nodeRedis(createClient({ socket: { ...service } })),
  },
  {
    name: "node-redis 6.3.1, best options",
    by: "service",
    open: ({ service }) =>
      nodeRedis(
        createClient({ socket: { ...service, socketTimeout: PATIENCE_MS, reconnectStrategy } }),
      ),
  },
  {
    name: "Leasehold, one Service",
    by: "service",
    isOurs: true,
    open: async ({ service: { host, port } }) =>
      leasehold(createLeasehold({ topology: serviceTopology({ writer: `${host}:${port}` }) })),
  },
  {
    name: "Leasehold, status stream",
    by: "service",
    isOurs: true,
    open: async ({ status }) =>
      leasehold(createLeasehold({ topology: statusTopology({ endpoints: [status] }) })),
  },
  {
    name: "ioredis 6.0.0, Sentinel, defaults",
    by: "sentinels",
    open: async (place) => ioredis(new Redis(sentinelsOf(place))),
  },
  {
    name: "ioredis 6.0.0, Sentinel, best options",
    by: "sentinels",
    open: async (place) =>
      ioredis(new Redis({ ...sentinelsOf(place), ...BEST, failoverDetector: true })),
  },
  {
    name: "node-redis 6.3.1, Sentinel",
    by: "sentinels",
    async open({ sentinels }) {
      const client = createSentinel({ name: GROUP, sentinelRootNodes: [...sentinels] });
      client.on("error", () => {});
      await client.connect();
      return { push: (token) => client.rPush(LIST, token), end: () => client.destroy() };
    },
  },
];

function ioredis(redis: Redis): Writer {
  redis.on("error", () => {});
  return { push: (token) => redis.rpush(LIST, token), end: () => redis.disconnect() };
}

async function nodeRedis(client: ReturnType<typeof createClient>): Promise<Writer> {
  client.on("error", () => {});
  await client.connect();
  return { push: (token) => client.rPush(LIST, token), end: () => client.destroy() };
}

function leasehold(client: ReturnType<typeof createLeasehold>): Writer {
  return { push: (token) => client.leader.rpush(LIST, token), end: () => client.close() };
}
