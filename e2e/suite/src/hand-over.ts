/**
 * Where the milliseconds of a planned hand-over go, read from the sidecars' log at level debug.
 *
 * Each part ends where the next begins, so that they add up: a line is written when the sidecar
 * turns to what follows. "Lease PUT" lasts until the successor has heard of it; "renewal PUT" is
 * nothing where it accepted in advance. Lines of two members are compared, which needs one clock
 * for all nodes. Guarantees: a hand-over of which a line is missing is not shown.
 */

export const PARTS = [
  "pause",
  "catch-up",
  "demote",
  "Lease PUT",
  "renewal PUT",
  "promote",
  "slice PUT",
  "open",
] as const;

export type Part = (typeof PARTS)[number];

export interface HandOver {
  readonly from: string;
  readonly to: string;
  readonly partsMs: Readonly<Record<Part, number>>;
  /** When the address was changed, by the wall clock. */
  readonly addressedAtMs: number;
}

interface Line {
  readonly time: string;
  readonly member: string;
  readonly event?: { readonly type: string; readonly outcome?: { readonly kind?: string } };
  readonly actions?: readonly LoggedAction[];
}

interface LoggedAction {
  readonly type: string;
  readonly reason: string;
  readonly command?: { readonly kind: string };
}

/** `logs` of all members, each a JSON document per line; what is none is passed over. */
export function handOversIn(logs: readonly string[]): readonly HandOver[] {
  const lines = linesOf(logs);
  return lines.flatMap((line, index) =>
    begins(line) ? (handOverFrom(line, lines.slice(index + 1)) ?? []) : [],
  );
}

function linesOf(logs: readonly string[]): readonly Line[] {
  const found = new Set(logs.flatMap((log) => log.split("\n")));
  return [...found]
    .flatMap((text) => parsed(text) ?? [])
    .toSorted((a, b) => a.time.localeCompare(b.time));
}

/** The last line of a log that was cut off is none. */
function parsed(text: string): Line | null {
  try {
    return text.startsWith("{") ? (JSON.parse(text) as Line) : null;
  } catch {
    return null;
  }
}

const begins = (line: Line): boolean => commands(line, "pause");

/** The marks between the parts, in order, each looked for after the one before. */
function handOverFrom(start: Line, after: readonly Line[]): HandOver | null {
  const from = start.member;
  const own = after.filter(({ member }) => member === from);
  const others = after.filter(({ member }) => member !== from);
  const paused = own.find((line) => acts(line, "awaitOffset"));
  const demoting = own.find((line) => commands(line, "demote"));
  const sending = own.find((line) => writesLease(line, "transfer"));
  const accepting = others.find((line) => acts(line, "announce", "acquireHandover"));
  const promoting = others.find((line) => commands(line, "promote"));
  const addressing = others.find((line) => acts(line, "writeSlice"));
  const addressed = after.find(
    (line) =>
      line.time >= timeOf(addressing) &&
      (isDone(line, "sliceWritten") || (line.member === from && isDone(line, "sliceObserved"))),
  );
  const opened = others.find((line) => acts(line, "redisRole", "unfence"));
  const found = [
    ...[start, paused, demoting, sending, accepting],
    ...[promoting, addressing, addressed, opened],
  ];
  const marks = found.flatMap((line) => (line === undefined ? [] : [Date.parse(line.time)]));
  const to = accepting?.member;
  if (marks.length < found.length || to === undefined || promoting?.member !== to) return null;
  return { from, to, ...timesOf(marks) };
}

/** A mark before its predecessor, as when two things go on at once, makes a part of no length. */
function timesOf(marks: readonly number[]): Omit<HandOver, "from" | "to"> {
  const [pausedAtMs = 0] = marks;
  let atMs = pausedAtMs;
  const ends = marks.slice(1).map((mark) => (atMs = Math.max(atMs, mark)));
  const begins = [pausedAtMs, ...ends];
  const partsMs = Object.fromEntries(
    PARTS.map((part, index) => [part, (ends[index] ?? 0) - (begins[index] ?? 0)]),
  ) as Record<Part, number>;
  return { partsMs, addressedAtMs: ends.at(-2) ?? 0 };
}

/** After all others. */
const timeOf = (line: Line | undefined): string => line?.time ?? "~";

function acts({ actions = [] }: Line, type: string, reason?: string): boolean {
  return actions.some((one) => one.type === type && (reason ?? one.reason) === one.reason);
}

/** A new leader pauses, too, until it is published: that is part of `promote`. */
function commands({ actions = [] }: Line, kind: string): boolean {
  return actions.some((action) => action.type === "redisRole" && action.command?.kind === kind);
}

function writesLease({ actions = [] }: Line, reason: string): boolean {
  return actions.some((one) => one.type === "writeLease" && one.reason.startsWith(reason));
}

function isDone({ event }: Line, type: string): boolean {
  if (event?.type !== type) return false;
  return type === "sliceObserved" || event.outcome?.kind === "committed";
}
