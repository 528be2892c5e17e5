/**
 * Writes that are done only when replicas have them, too.
 *
 * Guarantees: write and WAIT travel as one on one connection, and the answer counts only if that
 * still leads to the same leader; an interrupted WAIT is never repeated elsewhere, where it would
 * count replicas of another history. The next leader and the one before count as copies where their
 * histories prove it (succession.ts). A write that was refused goes out again, as a whole.
 */
import type { ChainableCommander, Redis } from "ioredis";
import {
  WriteConcernError,
  WriteConcernUnsupportedError,
  InvalidOptionError,
  NotLeaderError,
  TransactionAbortedError,
} from "./errors.ts";
import { CORE, type Follower } from "./follower.ts";
import { WRITE_COMMANDS, type WriteCommandName } from "./generated/command-names.ts";
import { copiesLeft, sentOn, type SuccessionParts } from "./succession.ts";
import type { Monitor } from "./topology/monitor.ts";

/** How many copies must have a write before it resolves. */
export interface WriteConcern {
  /** Copies that must have it, the leader's own counted; `majority` of the configured nodes. */
  readonly w: number | "majority";
  /** Then `WriteConcernError`, `applied`. Above 0: Redis takes 0 for ever. */
  readonly wtimeoutMs: number;
  /** On disk, too: WAITAOF, from Redis 7.2 on. */
  readonly journal?: boolean;
}

type DurableName = Extract<WriteCommandName, keyof Redis> | "eval" | "evalsha" | "fcall";
/** ioredis' own writes, scripts and `multi`, each followed by `WAIT` or `WAITAOF`. */
export type DurableCommands = Pick<Redis, DurableName | "multi">;

export interface DurableParts extends SuccessionParts {
  readonly monitor: Monitor;
  /** One connection of the pool; its refused commands are not sent again by itself. */
  pick(): Follower;
  readonly waitForLeaderMs: number;
}

/** What one attempt brought: the results of the write, and the answer to WAIT. */
type Results = [error: Error | null, result: unknown][];

interface Wanted {
  readonly replicas: number;
  readonly timeoutMs: number;
  readonly journal: boolean;
}

const SCRIPTS = ["eval", "evalsha", "fcall"] as const;

export function durableCommands(concern: WriteConcern, parts: DurableParts): DurableCommands {
  checkConcern(concern);
  const one =
    (name: string) =>
    async (...args: unknown[]): Promise<unknown> => {
      const wish = { concern, name };
      const results = await attempts(parts, wish, (batch) => call(batch, name, args));
      return results[0]?.[1];
    };
  const commands: Record<string, unknown> = {};
  for (const name of [...WRITE_COMMANDS, ...SCRIPTS]) commands[name] = one(name);
  commands["multi"] = () => multi(parts, concern);
  return commands as unknown as DurableCommands;
}

/** Collects like ioredis' own; `exec` sends it with WAIT behind it, where it does block. */
function multi(parts: DurableParts, concern: WriteConcern): ChainableCommander {
  const calls: { readonly name: string; readonly args: readonly unknown[] }[] = [];
  const exec = async (): Promise<Results> => {
    const results = await attempts(parts, { concern, name: "exec" }, (batch) => {
      (batch as unknown as { multi(): void }).multi();
      for (const { name, args } of calls) call(batch, name, args);
      // Inside MULTI this only adds EXEC.
      void batch.exec();
    });
    const [error, values] = results.at(-1) ?? [null, null];
    if (error) throw error;
    const list = (values ?? []) as unknown[];
    return list.map((value) => (value instanceof Error ? [value, undefined] : [null, value]));
  };
  const chain: unknown = new Proxy({} as ChainableCommander, {
    get(_target, name) {
      if (name === "exec") return exec;
      if (name === "then" || typeof name !== "string") return undefined;
      return (...args: unknown[]) => {
        calls.push({ name, args });
        return chain;
      };
    },
  });
  return chain as ChainableCommander;
}

function call(batch: ChainableCommander, name: string, args: readonly unknown[]): void {
  const method = (batch as unknown as Record<string, (...words: unknown[]) => unknown>)[name];
  if (!method) throw new InvalidOptionError(name, "is no command of ioredis");
  Reflect.apply(method, batch, args);
}

async function attempts(
  parts: DurableParts,
  { concern, name }: { readonly concern: WriteConcern; readonly name: string },
  fill: (batch: ChainableCommander) => void,
): Promise<Results> {
  const endAtMs = performance.now() + parts.waitForLeaderMs;
  for (;;) {
    const follower = parts.pick();
    // Connected, so that leader, version and number of nodes are known.
    if (!follower[CORE].node) await follower.ping();
    const wanted = wantedOf(concern, parts.monitor, follower);
    const batch = follower.pipeline();
    fill(batch);
    if (wanted.journal) batch.call("waitaof", 1, wanted.replicas, wanted.timeoutMs);
    else batch.wait(wanted.replicas, wanted.timeoutMs);
    const count = batch.length;
    const answers = batch.exec();
    const sent = sentOn(follower, count, parts);
    const results = ((await answers) ?? []) as Results;
    const answer = results.pop();
    const error = results.at(-1)?.[0] ?? results.find(([failed]) => failed)?.[0] ?? null;
    const isRefused = error instanceof NotLeaderError || error instanceof TransactionAbortedError;
    const mayRepeat = isRefused && performance.now() < endAtMs;
    if (mayRepeat) continue;
    if (error) throw error;
    // Both were answered on one socket; it is the one that is still there.
    const connection = follower[CORE].node?.destination.tag;
    const isSame =
      connection !== undefined && parts.monitor.target()?.tag === connection && !answer?.[0];
    const isProvable = !isSame && sent !== null && !wanted.journal;
    const copies = isProvable ? await copiesLeft(sent, follower, { ...parts, endAtMs }) : 0;
    const { epoch } = parts.monitor.description;
    const doubt = doubtOf(results, answer, { wanted, isSame, copies, epoch });
    if (doubt === null) return results;
    follower[CORE].link.events.failed(name.toUpperCase(), doubt.outcome, epoch);
    throw doubt;
  }
}

interface Judging {
  readonly wanted: Wanted;
  readonly isSame: boolean;
  /** Known to have it after a change of leader, the new one's included. */
  readonly copies: number;
  readonly epoch: number | null;
}

/** Null: as many copies as were asked for have it. */
function doubtOf(
  results: Results,
  answer: Results[number] | undefined,
  judging: Judging,
): WriteConcernError | null {
  const { wanted, isSame, copies, epoch } = judging;
  const result = results.at(-1)?.[1];
  const requested = wanted.replicas + 1;
  if (copies > 0) {
    const counted = typeof answer?.[1] === "number" ? answer[1] + 1 : 0;
    const acknowledged = Math.max(copies, counted);
    if (acknowledged >= requested) return null;
    const message =
      `The leader changed before ${requested} copies had confirmed the write. The new leader has ` +
      `it; copies that certainly do: ${acknowledged}. Do not retry it`;
    const fields = { result, acknowledged, requested, epoch };
    return new WriteConcernError(message, "applied", fields);
  }
  if (!isSame) {
    const message =
      "The leader changed before the replicas had confirmed the write: it was applied by the old " +
      "leader, and may be lost. Read before retrying";
    const fields = {
      result,
      acknowledged: null,
      requested,
      epoch,
      cause: answer?.[0] ?? undefined,
    };
    return new WriteConcernError(message, "unknown", fields);
  }
  const counted = answer?.[1] ?? 0;
  const [local, replicas] = (wanted.journal ? counted : [1, counted]) as [number, number];
  if (replicas >= wanted.replicas && local >= 1) return null;
  const acknowledged = replicas + local;
  const message =
    `${acknowledged} of ${requested} copies confirmed the write within ${wanted.timeoutMs} ms. ` +
    "It was applied by the leader, and is replicated further. Do not retry it";
  return new WriteConcernError(message, "applied", { result, acknowledged, requested, epoch });
}

function wantedOf(concern: WriteConcern, monitor: Monitor, follower: Follower): Wanted {
  const timeoutMs = Math.max(1, Math.round(concern.wtimeoutMs));
  const journal = concern.journal === true;
  const version = follower[CORE].node?.proof.version ?? null;
  if (journal && version !== null && !isAtLeast(version, [7, 2])) {
    const message = `WAITAOF needs Redis 7.2, and the leader is ${version}: nothing was written`;
    throw new WriteConcernUnsupportedError(message, { command: "waitaof" });
  }
  if (concern.w !== "majority") return { replicas: concern.w - 1, timeoutMs, journal };
  const { expectedNodes } = monitor.description;
  if (expectedNodes === null) {
    const message =
      "Nothing tells how many nodes the group has, which a majority is counted by: give a number " +
      "as w, or a topology that reads the Lease. Nothing was written";
    throw new WriteConcernUnsupportedError(message, { command: "wait" });
  }
  return { replicas: Math.floor(expectedNodes / 2), timeoutMs, journal };
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [found = 0, foundMinor = 0] = version.split(".").map(Number);
  return found > major || (found === major && foundMinor >= minor);
}

function checkConcern({ w, wtimeoutMs }: WriteConcern): void {
  if (w !== "majority" && !(Number.isInteger(w) && w >= 1)) {
    throw new InvalidOptionError("w", 'must be "majority" or a whole number from 1 on');
  }
  if (!(wtimeoutMs > 0 && Number.isFinite(wtimeoutMs))) {
    throw new InvalidOptionError("wtimeoutMs", "must be a number of milliseconds above 0");
  }
}
