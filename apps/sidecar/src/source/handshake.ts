/**
 * What a replica says to its primary before the stream begins, in Redis' protocol. Pure.
 *
 * A command that must not reach the source is replaced by a PING, whose answer stands in for its
 * own: the answers keep their order, and a replica takes whatever is no error.
 */
import { Buffer } from "node:buffer";

export interface Taken {
  /** To be sent on. */
  readonly passes: Buffer;
  /** Not a whole command yet, or what came after the handshake. */
  readonly rest: Buffer;
  /** The stream was asked for. */
  readonly isOver: boolean;
}

/** A replica's words are shorter. */
const HANDSHAKE_MAX = 16 * 1024;
const PING = encodeCommand(["PING"]);

export function encodeCommand(words: readonly string[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return Buffer.from(`*${words.length}\r\n${parts.join("")}`);
}

/** Null: that is no replica. */
export function takeCommands(bytes: Buffer): Taken | null {
  const passes: Buffer[] = [];
  let at = 0;
  for (;;) {
    const command = readCommand(bytes, at);
    if (command === null || (command === "short" && bytes.length - at > HANDSHAKE_MAX)) return null;
    if (command === "short") break;
    const raw = bytes.subarray(at, command.end);
    at = command.end;
    passes.push(isOurs(command.words) ? PING : raw);
    const [name = ""] = command.words;
    if (/^p?sync$/i.test(name)) return taken(passes, bytes.subarray(at), true);
  }
  return taken(passes, bytes.subarray(at), false);
}

function taken(passes: readonly Buffer[], rest: Buffer, isOver: boolean): Taken {
  return { passes: Buffer.concat(passes), rest, isOver };
}

/** The group's credentials, and where its member would be reached. */
function isOurs([name = "", option = ""]: readonly string[]): boolean {
  if (/^auth$/i.test(name)) return true;
  return /^replconf$/i.test(name) && /^(listening-port|ip-address)$/i.test(option);
}

interface ReadCommand {
  readonly words: readonly string[];
  readonly end: number;
}

/** Null: no command of this protocol. */
function readCommand(bytes: Buffer, begin: number): ReadCommand | "short" | null {
  const count = readHead(bytes, begin, "*");
  if (typeof count !== "object" || count === null) return count;
  const words: string[] = [];
  let at = count.end;
  for (let left = count.value; left > 0; left -= 1) {
    const length = readHead(bytes, at, "$");
    if (typeof length !== "object" || length === null) return length;
    const end = length.end + length.value;
    if (bytes.length < end + 2) return "short";
    words.push(bytes.toString("utf8", length.end, end));
    at = end + 2;
  }
  return { words, end: at };
}

function readHead(
  bytes: Buffer,
  at: number,
  kind: "*" | "$",
): { readonly value: number; readonly end: number } | "short" | null {
  if (at >= bytes.length) return "short";
  if (String.fromCharCode(bytes[at] ?? 0) !== kind) return null;
  const end = bytes.indexOf("\r\n", at);
  if (end === -1) return "short";
  const text = bytes.toString("latin1", at + 1, end);
  return /^\d{1,5}$/.test(text) ? { value: Number(text), end: end + 2 } : null;
}
