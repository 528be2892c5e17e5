/**
 * What the client stands on beside ioredis' documented API; checked before it is used. That
 * `condition.handshake` is kept shows on a connection alone: a test holds it.
 */
import { AbstractConnector, Command, Redis } from "ioredis";
import { UnsupportedIoredisError } from "./errors.ts";

/** @throws UnsupportedIoredisError naming what is missing */
export function checkIoredis(): void {
  const has = (holder: unknown, name: string): boolean =>
    typeof (holder as Record<string, unknown> | undefined)?.[name] === "function";
  if (typeof AbstractConnector !== "function") {
    throw new UnsupportedIoredisError("AbstractConnector");
  }
  for (const name of ["sendCommand", "handleReconnection"]) {
    if (!has(Redis.prototype, name)) throw new UnsupportedIoredisError(`Redis.${name}`);
  }
  if (!has(Command.prototype, "extractBlockingTimeout")) {
    throw new UnsupportedIoredisError("Command.extractBlockingTimeout");
  }
  const idle = new Redis({ lazyConnect: true });
  if (!has(idle.commandQueue, "toArray")) throw new UnsupportedIoredisError("Redis.commandQueue");
  const name = "_runningAutoPipelines";
  const running = (idle as unknown as Record<string, unknown>)[name];
  if (!(running instanceof Set)) throw new UnsupportedIoredisError(`Redis.${name}`);
}
