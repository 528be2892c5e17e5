/**
 * Where the clients are compared: a pair of real servers behind one address that moves as a Service
 * does, with a status stream that tells of it; or the same pair under three real Sentinels.
 *
 * Nobody has to detect anything: the successor is promoted at once, by hand, or by Sentinels that
 * are told to. What is left of a gap is the protocol's, which is measured, and the client's.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { startBalancer } from "@leasehold/testkit/balancer";
import { canLayCables, layCable } from "../process/cable.ts";
import { startStatus } from "../process/fake-status.ts";
import { startProxy, type LossyProxy } from "../process/lossy-proxy.ts";
import {
  startRedis,
  startRedisAt,
  stopAll,
  switchOver,
  until,
  type RealRedis,
} from "../process/real-redis.ts";
import { startSentinels } from "./sentinels.ts";

export const FAULTS = {
  switchover: "planned switchover",
  demotion: "demoted, connections kept",
  "lost-replies": "replies lost, then the connection",
  kill: "server killed (SIGKILL)",
  stop: "server stopped (SIGSTOP)",
  "black-hole": "link swallows everything",
} as const;
export type Fault = keyof typeof FAULTS;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a client is told. */
export interface Place {
  readonly service: Address;
  readonly status: string;
  readonly sentinels: readonly Address[];
}

export interface Stage {
  readonly place: Place;
  /** Who leads after the fault: the same one, if only replies are lost. */
  readonly successor: RealRedis;
  /** Resolves with the moment since which the successor is a primary. */
  hurt(): Promise<number>;
  close(): Promise<void>;
}

export function canPlay(fault: Fault, by: "service" | "sentinels"): boolean {
  // Sentinel itself closes the connections of what it demotes, and names the server behind a proxy.
  if (by === "sentinels" && (fault === "demotion" || fault === "lost-replies")) return false;
  return fault !== "black-hole" || canLayCables();
}

interface Ground {
  readonly a: RealRedis;
  readonly b: RealRedis;
  cut(): void;
  close(): Promise<void>;
}

async function openGround(fault: Fault): Promise<Ground> {
  const cable = fault === "black-hole" ? layCable() : null;
  const start = (side: "far" | "near"): Promise<RealRedis> =>
    cable ? startRedisAt(cable[side]) : startRedis();
  const [a, b] = [await start("far"), await start("near")];
  await b.follow(a);
  return {
    a,
    b,
    cut: () => cable?.cut(),
    async close() {
      await stopAll();
      cable?.remove();
    },
  };
}

/** What happens to the old leader, unless it is planned. */
async function strike(fault: Fault, ground: Ground): Promise<void> {
  if (fault === "kill") await ground.a.kill();
  else if (fault === "stop") ground.a.signal("SIGSTOP");
  else if (fault === "black-hole") ground.cut();
}

const ANNOUNCED_MS = 500;
/** After a demotion, so that what was held by the pause gets its answer. */
const UNTIL_KILL_MS = 50;

export async function openService(fault: Fault): Promise<Stage> {
  const ground = await openGround(fault);
  const { b } = ground;
  const proxy = fault === "lost-replies" ? await startProxy(ground.a) : null;
  const a = proxy ? { ...ground.a, host: proxy.host, port: proxy.port } : ground.a;
  const balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
  balancer.setTarget({ host: a.host, port: a.port });
  const status = await startStatus({ a, b });
  await status.push(1, a);
  const move = async (): Promise<void> => {
    balancer.setTarget({ host: b.host, port: b.port });
    await status.push(2, b);
  };
  return {
    place: { service: balancer.address, status: status.endpoint, sentinels: [] },
    successor: proxy ? a : b,
    async hurt() {
      if (proxy) return loseReplies(proxy);
      const isPlanned = fault === "switchover" || fault === "demotion";
      if (fault === "switchover") status.announce(1, ANNOUNCED_MS);
      if (isPlanned) await switchOver(a, b);
      else {
        await strike(fault, ground);
        await b.promote();
      }
      const leaderMs = performance.now();
      await move();
      if (fault !== "switchover") return leaderMs;
      await sleep(UNTIL_KILL_MS);
      await a.admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      return leaderMs;
    },
    async close() {
      await balancer.close();
      await status.close();
      await proxy?.close();
      await ground.close();
    },
  };
}

const REPLIES_LOST_MS = 50;

async function loseReplies(proxy: LossyProxy): Promise<number> {
  const startedAtMs = performance.now();
  proxy.swallow();
  await sleep(REPLIES_LOST_MS);
  proxy.cut();
  return startedAtMs;
}

export async function openSentinels(fault: Fault): Promise<Stage> {
  const ground = await openGround(fault);
  const { a, b } = ground;
  const sentinels = await startSentinels(a, b.host);
  return {
    place: { service: { host: "", port: 0 }, status: "", sentinels: sentinels.addresses },
    successor: b,
    async hurt() {
      await strike(fault, ground);
      await sentinels.failOver();
      await until(async () => (await b.admin.role())[0] === "master", 20_000);
      return performance.now();
    },
    async close() {
      await sentinels.close();
      await ground.close();
    },
  };
}
