/**
 * Reads server-sent events from pieces of text. Pure.
 *
 * Guarantees: a piece may end anywhere; lines are bounded, and a longer one ends the stream with an
 * error rather than with a lack of memory.
 */

export interface ServerEvent {
  readonly name: string;
  readonly id: string;
  readonly data: string;
}

const MOST_CHARACTERS = 64 * 1024;

export interface EventReader {
  /** The events that this piece completes. Throws when a line is too long. */
  read(piece: string): readonly ServerEvent[];
}

export function createEventReader(): EventReader {
  let rest = "";
  let name = "";
  let id = "";
  let data: string[] = [];

  const take = (line: string): ServerEvent | null => {
    if (line === "") {
      const event = data.length > 0 ? { name: name || "message", id, data: data.join("\n") } : null;
      name = "";
      data = [];
      return event;
    }
    // A comment: a sign of life.
    if (line.startsWith(":")) return null;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") name = value;
    else if (field === "id") id = value;
    else if (field === "data") data.push(value);
    return null;
  };
  return {
    read(piece) {
      const lines = (rest + piece).split(/\r?\n/);
      rest = lines.pop() ?? "";
      const longest = Math.max(rest.length, data.join("").length, ...lines.map((l) => l.length));
      if (longest > MOST_CHARACTERS) {
        throw new Error(`a line of the event stream is longer than ${MOST_CHARACTERS} characters`);
      }
      return lines.flatMap((line) => take(line) ?? []);
    },
  };
}
