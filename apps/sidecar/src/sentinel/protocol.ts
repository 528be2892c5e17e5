/**
 * Redis' protocol as a server speaks it, in versions 2 and 3: requests are read, replies written.
 * Pure. Bounded: a request that is longer than any that a client of Sentinel sends is an error,
 * and so are requests that are no lists of strings.
 */

export type Reply =
  | string
  | number
  | null
  | { readonly simple: string }
  | { readonly error: string }
  /** A map; a flat list in version 2. */
  | { readonly fields: readonly (readonly [string, Reply])[] }
  /** What was not asked for: a message of a channel. */
  | { readonly event: readonly Reply[] }
  | readonly Reply[];

export type Version = 2 | 3;

/** `rest`: what belongs to the next request. Null: it has not arrived as a whole. */
export type Parsed =
  | { readonly words: readonly string[]; readonly rest: Buffer }
  | { readonly invalid: string }
  | null;

const MAX_WORDS = 64;
const MAX_WORD_BYTES = 1_024;
const MAX_LINE_BYTES = 32;
const CRLF = "\r\n";

export function parseRequest(input: Buffer): Parsed {
  if (input.length === 0) return null;
  const head = lineAt(input, 0);
  if (head === null) return null;
  const count = head.text.startsWith("*") ? lengthIn(head.text, MAX_WORDS) : null;
  if (count === null) return { invalid: "expected a list of strings" };
  const words: string[] = [];
  let at = head.end;
  for (let index = 0; index < count; index += 1) {
    const line = lineAt(input, at);
    if (line === null) return null;
    const length = line.text.startsWith("$") ? lengthIn(line.text, MAX_WORD_BYTES) : null;
    if (length === null) return { invalid: "expected a string of a usual length" };
    if (input.length < line.end + length + CRLF.length) return null;
    words.push(input.toString("utf8", line.end, line.end + length));
    at = line.end + length + CRLF.length;
  }
  return { words, rest: input.subarray(at) };
}

/** A line that is too long is one, too: nobody waits for its end. */
function lineAt(input: Buffer, at: number): { readonly text: string; readonly end: number } | null {
  const found = input.indexOf(CRLF, at);
  if (found < 0) {
    const isTooLong = input.length - at > MAX_LINE_BYTES;
    return isTooLong ? { text: "", end: input.length } : null;
  }
  return { text: input.toString("latin1", at, found), end: found + CRLF.length };
}

function lengthIn(line: string, most: number): number | null {
  const text = line.slice(1);
  return /^\d{1,6}$/.test(text) && Number(text) <= most ? Number(text) : null;
}

export function renderReply(reply: Reply, version: Version): string {
  if (reply === null) return version === 3 ? `_${CRLF}` : `*-1${CRLF}`;
  if (typeof reply === "number") return `:${reply}${CRLF}`;
  if (typeof reply === "string") return `$${Buffer.byteLength(reply)}${CRLF}${reply}${CRLF}`;
  if ("simple" in reply) return `+${reply.simple}${CRLF}`;
  if ("error" in reply) return `-${reply.error}${CRLF}`;
  if ("event" in reply) return listOf(version === 3 ? ">" : "*", reply.event, version);
  if ("fields" in reply) {
    const { fields } = reply;
    const items = fields.flatMap(([name, value]) => [name, value]);
    if (version === 2) return listOf("*", items, version);
    return `%${fields.length}${CRLF}${items.map((item) => renderReply(item, version)).join("")}`;
  }
  return listOf("*", reply, version);
}

function listOf(sign: string, items: readonly Reply[], version: Version): string {
  return `${sign}${items.length}${CRLF}${items.map((item) => renderReply(item, version)).join("")}`;
}
