/**
 * Writers at work through one client, each appending tokens of its own to one list, and the check
 * of what became of them: acknowledged ones are there once and in order, not-applied ones are not
 * there, unknown ones at most once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { outcomeOf, type Leasehold } from "../../src/index.ts";
import type { RealRedis } from "./real-redis.ts";

export interface Findings {
  readonly acknowledged: number;
  readonly notApplied: number;
  readonly unknown: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly ghosts: number;
  readonly inOrder: boolean;
  /** Longest time without an acknowledgement. */
  readonly gapMs: number;
}

export interface Writers {
  /** Resolves with the next acknowledgement of a write that begins now or later. */
  nextAcknowledgement(): Promise<number>;
  stop(): Promise<void>;
  soFar(): Pick<Findings, "acknowledged" | "notApplied" | "unknown" | "gapMs">;
  /** Compares with what this server holds. */
  check(redis: RealRedis): Promise<Findings>;
}

export function startWriters(client: Leasehold, count: number, paceMs = 1): Writers {
  const tokens = {
    acknowledged: [] as string[],
    notApplied: [] as string[],
    unknown: [] as string[],
  };
  const stopped = new AbortController();
  let lastMs = performance.now();
  let gapMs = 0;
  const write = async (writer: number, sequence: number): Promise<void> => {
    const token = `${writer}:${sequence}`;
    try {
      await client.leader.rpush("tokens", token);
      tokens.acknowledged.push(token);
      const now = performance.now();
      gapMs = Math.max(gapMs, now - lastMs);
      lastMs = now;
    } catch (error) {
      tokens[outcomeOf(error) === "not-applied" ? "notApplied" : "unknown"].push(token);
    }
  };
  const run = async (writer: number): Promise<void> => {
    for (let sequence = 0; !stopped.signal.aborted; sequence += 1) {
      await write(writer, sequence);
      await sleep(paceMs);
    }
  };
  const all = Promise.all(Array.from({ length: count }, (_, writer) => run(writer)));
  return {
    async nextAcknowledgement() {
      const startedAtMs = performance.now();
      const before = tokens.acknowledged.length;
      while (tokens.acknowledged.length === before) await sleep(1);
      return performance.now() - startedAtMs;
    },
    async stop() {
      stopped.abort();
      await all;
    },
    soFar: () => ({
      acknowledged: tokens.acknowledged.length,
      notApplied: tokens.notApplied.length,
      unknown: tokens.unknown.length,
      gapMs,
    }),
    async check(redis) {
      const present = await redis.admin.lrange("tokens", 0, -1);
      const unique = new Set(present);
      return {
        acknowledged: tokens.acknowledged.length,
        notApplied: tokens.notApplied.length,
        unknown: tokens.unknown.length,
        lost: tokens.acknowledged.filter((token) => !unique.has(token)).length,
        duplicated: present.length - unique.size,
        ghosts: tokens.notApplied.filter((token) => unique.has(token)).length,
        inOrder: isInOrder(present),
        gapMs,
      };
    },
  };
}

function isInOrder(present: readonly string[]): boolean {
  const last = new Map<string, number>();
  return present.every((token) => {
    const [writer = "", sequence = ""] = token.split(":");
    const isLater = Number(sequence) > (last.get(writer) ?? -1);
    last.set(writer, Number(sequence));
    return isLater;
  });
}
