/**
 * Which copy of the data reaches further. Pure comparison: epoch of the last byte first, then a
 * live copy before one restored from disk, then where it led, or else the offset, then a copy that
 * was with the others before one that they may have outlived, then that of who led
 * (docs/protocol.md, sections 1 and 4.1).
 */
import type { Position } from "./record.ts";

/** Negative: `a` is behind `b`. Null (empty, unknown) is behind everything. */
export function comparePositions(a: Position | null, b: Position | null): number {
  if (a === null || b === null) return Number(a !== null) - Number(b !== null);
  if (a.epoch !== b.epoch) return a.epoch - b.epoch;
  const restored = Number(b.restored === true) - Number(a.restored === true);
  return restored === 0 ? compareRanks(a, b) : restored;
}

/** Of copies that were all restored: under which epoch they led counts before what they claim. */
export function compareRestored(a: Position | null, b: Position | null): number {
  if (a === null || b === null) return comparePositions(a, b);
  return compareRanks(a, b);
}

function compareRanks(a: Position, b: Position): number {
  // Who did not lead is what it claims.
  const [ledA, ledB] = [a.led ?? a, b.led ?? b];
  if (ledA.epoch !== ledB.epoch) return ledA.epoch - ledB.epoch;
  if (ledA.offset !== ledB.offset) return ledA.offset - ledB.offset;
  const outlived = Number(b.outlived === true) - Number(a.outlived === true);
  return outlived || Number(a.led !== undefined) - Number(b.led !== undefined);
}

/**
 * True if `a` may lack a byte that `b` has. A restored copy is measured by the bytes it claims
 * here, since the other side is a fixed point in the past and not a rival.
 */
export function isBehind(a: Position | null, b: Position | null): boolean {
  if (b === null) return false;
  if (a === null) return true;
  if (a.epoch !== b.epoch) return a.epoch < b.epoch;
  return a.offset < b.offset;
}
