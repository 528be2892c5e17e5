/**
 * Tells what ioredis sends by itself, to build a connection up, from what callers send.
 *
 * A command of a caller that looks the same in the same moment passes too, on a socket that is
 * verified: that is harmless, since it only does what ioredis does at that moment.
 */
import type { Command, Redis } from "ioredis";
import type { Database } from "./database.ts";

export interface Standing {
  /** The connection is built up: ioredis sends nothing more by itself. */
  readonly isRestored: boolean;
  readonly database: Pick<Database, "last">;
}

export function isIoredisOwn(
  command: Command,
  redis: Pick<Redis, "status" | "condition">,
  { isRestored, database }: Standing,
): boolean {
  if (redis.status === "connect") {
    if (!redis.condition?.handshake || !HANDSHAKE.has(command.name)) return false;
    // To another one is a caller's way, behind commands that wait and are meant for this one.
    return command.name !== "select" || Number(command.args[0]) === redis.condition.select;
  }
  if (redis.status !== "ready" || isRestored) return false;
  if (command.name === "select") return Number(command.args[0]) === database.last;
  return RESUBSCRIBE.has(command.name);
}

const HANDSHAKE: ReadonlySet<string> = new Set(["auth", "hello", "select", "client", "readonly"]);
export const RESUBSCRIBE: ReadonlySet<string> = new Set(["subscribe", "psubscribe", "ssubscribe"]);
