/**
 * Makes a primary without a replication backlog create one, and with it a replid that stays.
 *
 * A Redis that restarted has none. After `REPLICAOF NO ONE` it counts no bytes, and takes *another*
 * replid as soon as its first replica asks for the stream (`syncCommand` in replication.c), so that
 * the lineage would name a history that nobody has (docs/adr/0007). One connection that asks like a
 * replica is enough. It says that it takes the diskless form: Redis then waits for
 * `repl-diskless-sync-delay` before it forks, and does not answer before; without that word it
 * forks at once and writes a file. So the caller looks for the backlog in `INFO`, and closes the
 * request as soon as it is there: nothing is ever forked.
 */
import { createConnection, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { connect as connectTls } from "node:tls";
import { messageOf } from "./errors.ts";
import { passwordOf, userOf, type RedisServerOptions } from "./options.ts";

export interface StreamRequest {
  /** Why no backlog will come of it; null: nothing known against it. */
  trouble(): string | null;
  close(): void;
}

/** Never throws. */
export function requestStream(options: RedisServerOptions): StreamRequest {
  const commands = greeting(options);
  const socket = open(options);
  let asked = 0;
  let trouble: string | null = null;
  // One by one: Redis refuses PSYNC while an older answer is still to be sent.
  const askNext = (): void => {
    const command = commands[asked];
    asked += 1;
    if (command) socket.write(encode(command));
  };
  createInterface(socket).on("line", (line) => {
    if (line.startsWith("+OK")) askNext();
    else if (line.startsWith("-")) trouble = `${commands[asked - 1]?.[0]} was refused: ${line}`;
  });
  socket.once("error", (error) => (trouble = messageOf(error)));
  socket.once("close", () => (trouble ??= "Redis closed the connection that asked for its stream"));
  askNext();
  return { trouble: () => trouble, close: () => socket.destroy() };
}

function open(options: RedisServerOptions): Socket {
  if ("socket" in options) return createConnection({ path: options.socket });
  const { host, port, tls } = options;
  return tls ? connectTls({ host, port, ...tls }) : createConnection({ host, port });
}

type Words = readonly [string, ...string[]];

function greeting(options: RedisServerOptions): readonly Words[] {
  const password = passwordOf(options);
  return [
    ...(password === "" ? [] : [["AUTH", userOf(options), password] as const]),
    ["REPLCONF", "capa", "eof"],
    ["PSYNC", "?", "-1"],
  ];
}

function encode(words: Words): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join("")}`;
}
