/**
 * One client under one fault: ten writers append unique tokens, each waiting for its answer, and
 * the list at the successor is compared with what they were told.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { outcomeOf } from "../../src/index.ts";
import { LIST, type Contestant } from "./contestants.ts";
import { openSentinels, openService, type Fault } from "./stages.ts";

export interface Played {
  /**
   * Longest time without an acknowledgement that held: of a write that the successor has. Infinite:
   * none within `NEVER_MS` of the fault.
   */
  readonly gapMs: number;
  /** From the fault until the successor was a primary. */
  readonly leaderlessMs: number;
  /** Writes whose promise was rejected. */
  readonly failed: number;
  /** Of tokens that are there: how many are there again. */
  readonly twice: number;
  /** Acknowledged, and not there. */
  readonly lost: number;
  /** Open ten seconds after the last write began. */
  readonly neverSettled: number;
  /** Said to be not applied by this package's `outcomeOf`, and there nevertheless. */
  readonly wrong: number;
}

const WRITERS = 10;
const PACE_MS = 1;
const WARM_UP_MS = 400;
/** Sentinel leaves an old leader that lives as it is for eight seconds and more. */
const NEVER_MS = 15_000;
/** After all writers go on, for what comes late. */
const AFTER_MS = 1_000;
const SETTLE_MS = 10_000;

export async function play(contestant: Contestant, fault: Fault): Promise<Played> {
  const stage = await (contestant.by === "service" ? openService : openSentinels)(fault);
  try {
    const writer = await contestant.open(stage.place);
    const work = startWork((token) => writer.push(token));
    await sleep(WARM_UP_MS);
    if (work.found.acknowledged.size === 0) throw new Error(`${contestant.name} wrote nothing`);
    const startedAtMs = performance.now();
    const leaderMs = await stage.hurt();
    const { admin } = stage.successor;
    await arrived(admin, startedAtMs + NEVER_MS);
    await work.resumed(performance.now(), startedAtMs + NEVER_MS);
    await work.stop();
    const present = await admin.lrange(LIST, 0, -1);
    await Promise.race([writer.end(), sleep(2_000)]);
    return { leaderlessMs: leaderMs - startedAtMs, ...judged(work.found, present, leaderMs) };
  } finally {
    await stage.close();
  }
}

/** Waits for the first write that a client sends to the successor itself. */
async function arrived(successor: Redis, endMs: number): Promise<void> {
  const before = await successor.llen(LIST);
  while ((await successor.llen(LIST)) === before && performance.now() < endMs) await sleep(5);
}

interface Found {
  /** When. */
  readonly acknowledged: ReadonlyMap<string, number>;
  readonly refused: readonly string[];
  readonly failed: number;
  readonly open: number;
}

function judged(
  { acknowledged, refused, failed, open }: Found,
  present: readonly string[],
  leaderMs: number,
): Omit<Played, "leaderlessMs"> {
  const unique = new Set(present);
  const held = [...acknowledged].flatMap(([token, ms]) => (unique.has(token) ? [ms] : []));
  const gaps = held.map((ms, n) => ms - (held[n - 1] ?? ms));
  return {
    gapMs: (held.at(-1) ?? 0) > leaderMs ? Math.max(...gaps) : Infinity,
    failed,
    twice: present.length - unique.size,
    lost: acknowledged.size - held.length,
    neverSettled: open,
    wrong: refused.filter((token) => unique.has(token)).length,
  };
}

interface Work {
  readonly found: Found;
  /** Waits until each writer was answered after `sinceMs`, or until `endMs`. */
  resumed(sinceMs: number, endMs: number): Promise<void>;
  stop(): Promise<void>;
}

function startWork(push: (token: string) => Promise<unknown>): Work {
  const acknowledged = new Map<string, number>();
  const refused: string[] = [];
  const lastMs = Array.from({ length: WRITERS }, () => 0);
  const found = { acknowledged, refused, failed: 0, open: 0 };
  const stopped = new AbortController();
  const write = async (writer: number): Promise<void> => {
    for (let n = 0; !stopped.signal.aborted; n += 1) {
      const token = `${writer}:${n}`;
      found.open += 1;
      try {
        await push(token);
        lastMs[writer] = performance.now();
        acknowledged.set(token, performance.now());
      } catch (error) {
        found.failed += 1;
        if (outcomeOf(error) === "not-applied") refused.push(token);
      }
      found.open -= 1;
      await sleep(PACE_MS);
    }
  };
  const all = Promise.all(lastMs.map((_, writer) => write(writer)));
  return {
    found,
    async resumed(sinceMs, endMs) {
      const goOn = (): boolean => lastMs.every((ms) => ms > sinceMs);
      while (!goOn() && performance.now() < endMs) await sleep(5);
      if (goOn()) await sleep(AFTER_MS);
    },
    async stop() {
      stopped.abort();
      await Promise.race([all, sleep(SETTLE_MS)]);
    },
  };
}
