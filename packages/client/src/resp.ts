/**
 * As much of the Redis protocol as a handshake needs: writes commands, reads RESP2 replies. Pure.
 *
 * Not a client: ioredis speaks on the socket as soon as the handshake is over.
 */

export type Reply = string | number | null | Error | readonly Reply[];

export function encodeCommand(words: readonly string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join("")}`;
}

/** The first `count` replies, or null while they are not complete. Throws on nonsense. */
export function decodeReplies(bytes: Buffer, count: number): readonly Reply[] | null {
  const replies: Reply[] = [];
  let offset = 0;
  while (replies.length < count) {
    const parsed = decode(bytes, offset);
    if (!parsed) return null;
    replies.push(parsed.reply);
    offset = parsed.end;
  }
  return replies;
}

interface Parsed {
  readonly reply: Reply;
  readonly end: number;
}

function decode(bytes: Buffer, start: number): Parsed | null {
  const lineEnd = bytes.indexOf("\r\n", start);
  if (lineEnd < 0) return null;
  const kind = String.fromCodePoint(bytes[start] ?? 0);
  const line = bytes.toString("utf8", start + 1, lineEnd);
  const end = lineEnd + 2;
  switch (kind) {
    case "+":
      return { reply: line, end };
    case "-":
      return { reply: new Error(line), end };
    case ":":
      return { reply: Number(line), end };
    case "$":
      return decodeBulk(bytes, end, Number(line));
    case "*":
      return decodeArray(bytes, end, Number(line));
    default:
      throw new Error(`what answers is no Redis: its reply begins with ${JSON.stringify(kind)}`);
  }
}

function decodeBulk(bytes: Buffer, start: number, length: number): Parsed | null {
  if (length < 0) return { reply: null, end: start };
  const end = start + length + 2;
  if (bytes.length < end) return null;
  return { reply: bytes.toString("utf8", start, start + length), end };
}

function decodeArray(bytes: Buffer, start: number, length: number): Parsed | null {
  if (length < 0) return { reply: null, end: start };
  const items: Reply[] = [];
  let offset = start;
  while (items.length < length) {
    const parsed = decode(bytes, offset);
    if (!parsed) return null;
    items.push(parsed.reply);
    offset = parsed.end;
  }
  return { reply: items, end: offset };
}
