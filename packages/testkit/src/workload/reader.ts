/**
 * Readers through the read address: each asks for the length of one writer's list, so that an
 * answer tells how much of what was acknowledged the member had.
 *
 * Guarantees: what counts is each reader's own view, not that of all together; the first error
 * after an answer is told apart, since a member that ends closes its connections. Which member
 * answered is not known.
 */
import type { Redis } from "ioredis";
import type { Freshness } from "./freshness.ts";
import { startSession, type Session, type SessionOptions } from "./session.ts";

export interface ReadState {
  readonly answered: number;
  readonly errors: number;
  /** Of those, the ones that did not follow an answer: more than one reconnect. */
  readonly repeated: number;
  /** Longest time that one reader went without an answer. */
  readonly gapMs: number;
  /** Age of the oldest answer. */
  readonly oldestMs: number;
}

export interface ReadTally {
  answered(reader: number, atMs: number, ageMs: number): void;
  failed(reader: number): void;
  /** The fault begins: everything counts from now on. */
  restart(atMs: number): void;
  state(nowMs: number): ReadState;
}

export function createReadTally(readers: number, startMs: number): ReadTally {
  const lastMs = Array.from({ length: readers }, () => startMs);
  const isWell = lastMs.map(() => true);
  let seen: ReadState = { answered: 0, errors: 0, repeated: 0, gapMs: 0, oldestMs: 0 };
  return {
    answered(reader, atMs, ageMs) {
      seen = {
        ...seen,
        answered: seen.answered + 1,
        gapMs: Math.max(seen.gapMs, atMs - (lastMs[reader] ?? atMs)),
        oldestMs: Math.max(seen.oldestMs, ageMs),
      };
      lastMs[reader] = atMs;
      isWell[reader] = true;
    },
    failed(reader) {
      const repeated = seen.repeated + (isWell[reader] === true ? 0 : 1);
      seen = { ...seen, errors: seen.errors + 1, repeated };
      isWell[reader] = false;
    },
    restart(atMs) {
      seen = { answered: 0, errors: 0, repeated: 0, gapMs: 0, oldestMs: 0 };
      lastMs.fill(atMs);
    },
    state: (nowMs) => ({
      ...seen,
      gapMs: Math.max(seen.gapMs, ...lastMs.map((atMs) => nowMs - atMs)),
    }),
  };
}

export interface ReaderOptions extends Pick<
  SessionOptions,
  "address" | "password" | "paceMs" | "deadlineMs"
> {
  readonly index: number;
  /** Of the writer's list. */
  readonly key: string;
  readonly freshness: Freshness;
  readonly tally: ReadTally;
  readonly failed: (why: string) => void;
}

export function startReader(options: ReaderOptions): Session {
  const fail = (why: string): void => {
    options.tally.failed(options.index);
    options.failed(why);
  };
  return startSession({
    ...options,
    operate: (redis) => readOnce(redis, options, fail),
    unreachable: (why) => fail(`connect: ${why}`),
  });
}

async function readOnce(
  redis: Redis,
  { key, index, freshness, tally }: ReaderOptions,
  fail: (why: string) => void,
): Promise<"done" | "broken"> {
  const askedAtMs = performance.now();
  try {
    const length = await redis.llen(key);
    tally.answered(index, performance.now(), freshness.ageMs(length, askedAtMs));
    return "done";
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
    return "broken";
  }
}
