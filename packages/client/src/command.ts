/**
 * What the client has to know of a command: whether it reads, may be repeated, and how long it may
 * block. The flags are Redis' own (src/generated).
 */
import type { Command } from "ioredis";
import { READ_COMMANDS, WRITE_COMMANDS } from "./generated/command-names.ts";

const READS: ReadonlySet<string> = new Set<string>(READ_COMMANDS);

const WRITES: ReadonlySet<string> = new Set<string>([
  ...WRITE_COMMANDS,
  ...["eval", "evalsha", "fcall", "publish", "spublish"],
]);

/** Read no data, and leave everything as it is. */
const QUESTIONS = ["ping", "echo", "time", "info", "role", "lastsave", "command"];

/** Change nothing but the state of the connection, which is built anew anyway. */
const REPEATABLE: ReadonlySet<string> = new Set([
  ...QUESTIONS,
  "select",
  ...["subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"],
]);

export function isRead(name: string): boolean {
  return READS.has(name.toLowerCase());
}

/** May be sent again after a lost reply. */
export function isRepeatable(name: string): boolean {
  const lower = name.toLowerCase();
  return READS.has(lower) || REPEATABLE.has(lower);
}

/** Its answer is about the writes of one connection: on another one it would be a lie. */
export function countsReplicas(name: string): boolean {
  return ["wait", "waitaof"].includes(name.toLowerCase());
}

/** Null: does not block; Infinity: until something comes. */
export function blockMs(
  command: Pick<Command, "name" | "args" | "extractBlockingTimeout">,
): number | null {
  const name = command.name.toLowerCase();
  if (name === "wait") return forever(Number(command.args[1]));
  if (name === "waitaof") return forever(Number(command.args[2]));
  if (!MAY_BLOCK.has(name)) return null;
  const timeoutMs = command.extractBlockingTimeout();
  return timeoutMs === null || timeoutMs === undefined ? null : forever(timeoutMs);
}

/** How Redis writes "for ever". */
function forever(timeoutMs: number): number {
  return timeoutMs > 0 ? timeoutMs : Infinity;
}

const MAY_BLOCK: ReadonlySet<string> = new Set([
  ...["blpop", "brpop", "brpoplpush", "blmove", "blmovem", "bzpopmin", "bzpopmax"],
  ...["bzmpop", "blmpop", "xread", "xreadgroup"],
]);

/** A blocking command that was written once blocks for what is left of its time. */
export function shortenSince(
  command: Pick<Command, "name" | "args" | "extractBlockingTimeout">,
  writtenAtMs: number,
): void {
  const blocksMs = blockMs(command);
  if (blocksMs === null || blocksMs === Infinity) return;
  shortenBlock(command, blocksMs - (performance.now() - writtenAtMs));
}

/**
 * The same command with less time to block, for one that was sent away while it waited. Changes
 * `args` in place, as ioredis keeps the command's promise in the same object.
 */
function shortenBlock(command: Pick<Command, "name" | "args">, restMs: number): void {
  const name = command.name.toLowerCase();
  const { args } = command;
  // 0 would mean "for ever".
  const seconds = String(Math.max(restMs, 1) / 1_000);
  if (name === "bzmpop" || name === "blmpop") args[0] = seconds;
  else if (name === "xread" || name === "xreadgroup") {
    const at = args.findIndex((word) => String(word).toLowerCase() === "block");
    if (at >= 0) args[at + 1] = String(Math.max(1, Math.ceil(restMs)));
  } else if (MAY_BLOCK.has(name) && name !== "blmovem") args[args.length - 1] = seconds;
}

/** Changes neither data nor the connection. */
export function onlyAsks(name: string): boolean {
  const lower = name.toLowerCase();
  return READS.has(lower) || QUESTIONS.includes(lower);
}

/** Leaves the connection as it is, whatever it does to the data; batched: in a pipeline. */
export function isOfData(name: string, { batched }: { readonly batched: boolean }): boolean {
  const lower = name.toLowerCase();
  return onlyAsks(lower) || WRITES.has(lower) || (batched && ["multi", "exec"].includes(lower));
}

/** Fit for a reader: changes no data. */
export function isFitForReader(name: string): boolean {
  const lower = name.toLowerCase();
  return READS.has(lower) || REPEATABLE.has(lower) || OF_THE_CONNECTION.has(lower);
}

const OF_THE_CONNECTION: ReadonlySet<string> = new Set([
  ...["quit", "client", "hello", "auth", "readonly", "memory", "object"],
]);
