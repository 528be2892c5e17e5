/**
 * Shapes that cross a process boundary twice, in the record file and between members. The types
 * of the core are the contract; the compiler refuses a shape here that has drifted from them.
 */
import * as v from "valibot";
import type { LineageEntry, Position } from "@leasehold/election";

export const WholeNumber = v.pipe(v.number(), v.safeInteger());
export const Epoch = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const LineageShape: v.GenericSchema<unknown, readonly LineageEntry[]> = v.array(
  v.object({
    epoch: Epoch,
    replid: v.string(),
    startOffset: WholeNumber,
    parent: v.nullable(v.string()),
    moved: v.exactOptional(v.boolean()),
  }),
);

const POSITION = {
  epoch: Epoch,
  offset: WholeNumber,
  replid: v.string(),
  restored: v.exactOptional(v.boolean()),
  outlived: v.exactOptional(v.boolean()),
  led: v.exactOptional(v.object({ epoch: Epoch, offset: WholeNumber })),
};

export const PositionShape: v.GenericSchema<unknown, Position> = v.object(POSITION);
export const LeaderPositionShape = v.object({ ...POSITION, runId: v.string() });

/** The value, or in words what is wrong with the text. */
export function parseShape<T>(shape: v.GenericSchema<unknown, T>, text: string): Parsed<T> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, words: "not JSON" };
  }
  const result = v.safeParse(shape, value);
  if (result.success) return { ok: true, value: result.output };
  const [issue] = result.issues;
  return { ok: false, words: `${v.getDotPath(issue) ?? "the whole"}: ${issue.message}` };
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly words: string };
