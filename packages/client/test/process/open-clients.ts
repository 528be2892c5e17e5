/** The clients of one test file; `closeAll` leaves neither client nor server behind. */
import { createLeasehold, type Leasehold, type LeaseholdOptions } from "../../src/index.ts";
import { pushedTopology, type PushedTopology } from "./pushed-topology.ts";
import { startPair, stopAll, type RealRedis } from "./real-redis.ts";

const clients: Leasehold[] = [];

export function open(options: LeaseholdOptions): Leasehold {
  const client = createLeasehold(options);
  clients.push(client);
  return client;
}

export interface Pair {
  readonly a: RealRedis;
  readonly b: RealRedis;
  readonly topology: PushedTopology;
  readonly client: Leasehold;
}

/** A primary, a replica, and a client that is told of them by push and is connected. */
export async function openPair(options: Partial<LeaseholdOptions> = {}): Promise<Pair> {
  const [a, b] = await startPair();
  const topology = pushedTopology({ a, b });
  const client = open({ topology: topology.provider, ...options });
  topology.push(1, a);
  await client.leader.ping();
  return { a, b, topology, client };
}

export async function closeAll(): Promise<void> {
  await Promise.all(clients.splice(0).map((client) => client.close({ drainMs: 0 })));
  await stopAll();
}

/** How a promise ended, whichever way, with the time that it took. */
export async function outcome<T>(
  promise: Promise<T>,
): Promise<{ readonly value?: T; readonly error?: Error; readonly tookMs: number }> {
  const startedAtMs = performance.now();
  const took = (): number => performance.now() - startedAtMs;
  return promise.then(
    (value) => ({ value, tookMs: took() }),
    (error: Error) => ({ error, tookMs: took() }),
  );
}
