/**
 * Data as the bytes that made it. A data set is a `Point`: the first `length` entries of a
 * segment, after everything its parent holds. Histories that share a past share its segments, so
 * "does this data set hold that write" costs one step per divergence, and a copy costs nothing.
 *
 * Guarantees: a segment only grows; a server that writes at a point which is not the segment's
 * end, or counts its bytes anew, opens a segment of its own. An offset means nothing across
 * segments that were opened with another `startOffset`.
 */
export interface Point {
  readonly segment: Segment;
  readonly length: number;
}

/** Where a write stands, for as long as the run lasts. */
export interface WritePlace {
  readonly segment: Segment;
  readonly index: number;
}

export class Segment {
  readonly parent: Point | null;
  readonly startOffset: number;
  /** True for data that never belonged to the group: a foreign backup. */
  readonly foreign: boolean;
  private readonly ends: number[] = [];
  /** Number of writes in this segment up to and including each entry. */
  private readonly writes: number[] = [];
  private readonly writesBefore: number;

  constructor(parent: Point | null, startOffset: number, foreign = false) {
    this.parent = parent;
    this.startOffset = startOffset;
    this.foreign = foreign;
    this.writesBefore = parent === null ? 0 : parent.segment.writesAt(parent.length);
  }

  get length(): number {
    return this.ends.length;
  }

  endOffset(length: number): number {
    return length === 0 ? this.startOffset : (this.ends[length - 1] as number);
  }

  writesAt(length: number): number {
    return length === 0 ? this.writesBefore : (this.writes[length - 1] as number);
  }

  push(endOffset: number, isWrite: boolean): void {
    this.writes.push(this.writesAt(this.length) + (isWrite ? 1 : 0));
    this.ends.push(endOffset);
  }

  /** The most entries, at most `limit`, after which `offset` bytes were counted; -1: none. */
  lengthAt(offset: number, limit: number): number {
    let low = 0;
    let high = limit;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.endOffset(middle) <= offset) low = middle;
      else high = middle - 1;
    }
    return this.endOffset(low) === offset ? low : -1;
  }
}

/** A data set without data. */
export function emptyPoint(startOffset = 0): Point {
  return { segment: new Segment(null, startOffset), length: 0 };
}

/** Appends `bytes` after `point`, counted from `offset`, which is the server's own. */
export function append(
  point: Point,
  offset: number,
  entry: { readonly bytes: number; readonly isWrite: boolean },
): Point {
  const { segment } = point;
  const continues = point.length === segment.length && segment.endOffset(point.length) === offset;
  const target = continues ? segment : new Segment(point, offset);
  target.push(offset + entry.bytes, entry.isWrite);
  return { segment: target, length: target.length };
}

/** The same data, counted from `offset` on: what a restart makes of it. */
export function recounted(point: Point, offset: number): Point {
  if (point.segment.endOffset(point.length) === offset) return point;
  return { segment: new Segment(point, offset), length: 0 };
}

/** How many writes a data set holds. */
export function writesIn(point: Point): number {
  return point.segment.writesAt(point.length);
}

export function holds(point: Point, place: WritePlace): boolean {
  let at: Point | null = point;
  while (at !== null) {
    if (at.segment === place.segment) return place.index < at.length;
    at = at.segment.parent;
  }
  return false;
}

/** True if everything in `part` is in `whole` too. */
export function includes(whole: Point, part: Point): boolean {
  const wanted = normalised(part);
  if (wanted.length === 0 && wanted.segment.parent === null && !wanted.segment.foreign) return true;
  let at: Point | null = whole;
  while (at !== null) {
    if (at.segment === wanted.segment) return wanted.length <= at.length;
    at = at.segment.parent;
  }
  return false;
}

export function samePoint(a: Point, b: Point): boolean {
  const left = normalised(a);
  const right = normalised(b);
  return left.segment === right.segment && left.length === right.length;
}

/** The place on the history of `point` at which `offset` bytes were counted, if there is one. */
export function pointAt(point: Point, offset: number): Point | null {
  let at: Point | null = point;
  while (at !== null) {
    const { segment }: Point = at;
    if (offset >= segment.startOffset) {
      const length = segment.lengthAt(offset, at.length);
      return length < 0 ? null : { segment, length };
    }
    at = segment.parent;
  }
  return null;
}

export function isForeign(point: Point): boolean {
  let at: Point | null = point;
  while (at !== null) {
    if (at.segment.foreign) return true;
    at = at.segment.parent;
  }
  return false;
}

/** A point at the start of a segment is its parent's point. */
function normalised(point: Point): Point {
  let at = point;
  while (at.length === 0 && at.segment.parent !== null) at = at.segment.parent;
  return at;
}
