/** The lineage as Lease and slice carry it: the same JSON in both. */
import type { LineageEntry } from "@leasehold/election";
import { isRecord } from "./api/object.ts";
import { count, listOf, parseText, text } from "./json.ts";

/** Empty if the annotation is missing or wrong: an unknown lineage, under which nobody leads. */
export function parseLineage(annotation: string | undefined): readonly LineageEntry[] {
  return parseText(annotation, listOf(lineageEntry)) ?? [];
}

export function formatLineage(lineage: readonly LineageEntry[]): string {
  return JSON.stringify(
    lineage.map(({ epoch, replid, startOffset, parent, moved }) => ({
      epoch,
      replid,
      startOffset,
      parent,
      ...(moved === true && { moved }),
    })),
  );
}

function lineageEntry(value: unknown): LineageEntry | null {
  if (!isRecord(value)) return null;
  const epoch = count(value["epoch"]);
  const replid = text(value["replid"]);
  const startOffset = count(value["startOffset"]);
  if (epoch === null || replid === null || startOffset === null) return null;
  const entry = { epoch, replid, startOffset, parent: text(value["parent"]) };
  return value["moved"] === true ? { ...entry, moved: true } : entry;
}
