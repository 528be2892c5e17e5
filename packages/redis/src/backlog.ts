/**
 * Gives a fresh primary a replication backlog, and with it a replid that stays.
 *
 * A Redis that restarted has none. After `REPLICAOF NO ONE` it counts no bytes, and takes *another*
 * replid as soon as its first replica asks for the stream (`syncCommand` in replication.c), so that
 * the lineage would name a history that nobody has (docs/adr/0007). One throw-away connection that
 * asks like a replica, `PSYNC ? -1`, creates the backlog at once; it is closed at the first word of
 * the answer, before the delayed diskless save begins (`repl-diskless-sync-delay` above 0).
 */
import { createConnection, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { LATE, within } from "./deadline.ts";
import { describeEndpoint, passwordOf, userOf, type RedisServerOptions } from "./options.ts";

const LONGEST_ANSWER = 4_096;

/** Null: done. Else what went wrong, in words. */
export async function createBacklog(
  options: RedisServerOptions,
  deadlineMs: number,
): Promise<string | null> {
  const socket = open(options);
  const answer = await within(deadlineMs, firstAnswer(socket, greeting(options)));
  socket.destroy();
  if (answer === LATE) return `${describeEndpoint(options)} did not answer PSYNC in time`;
  return answer;
}

function open(options: RedisServerOptions): Socket {
  if ("socket" in options) return createConnection({ path: options.socket });
  const { host, port, tls } = options;
  return tls ? connectTls({ host, port, ...tls }) : createConnection({ host, port });
}

function greeting(options: RedisServerOptions): string {
  const password = passwordOf(options);
  const auth = password === "" ? "" : encode(["AUTH", userOf(options), password]);
  return auth + encode(["PSYNC", "?", "-1"]);
}

function encode(words: readonly string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join("")}`;
}

/** `+FULLRESYNC <replid> <offset>`, after `+OK` where a password was sent. */
async function firstAnswer(socket: Socket, request: string): Promise<string | null> {
  return new Promise((resolve) => {
    let text = "";
    socket.once("error", (error) => resolve(error.message));
    socket.once("close", () => resolve("the connection was closed before PSYNC was answered"));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (text.includes("+FULLRESYNC")) return resolve(null);
      const refusal = /^-(.*)$/m.exec(text);
      if (refusal) return resolve(`PSYNC was refused: ${refusal[1]?.trim() ?? ""}`);
      if (text.length > LONGEST_ANSWER) resolve("PSYNC was answered with something else");
    });
    socket.write(request);
  });
}
