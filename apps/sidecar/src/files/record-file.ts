/**
 * The member's record on the data volume, `<data>/leasehold/member.json`.
 *
 * Guarantees: at most one call to the volume is open, so that a hung disk holds one thread and
 * not the process; a record is on the disk when `write` has resolved with `ok`; a file that
 * cannot be understood is no record (the member is then "without record", the cautious reading),
 * is reported, and a copy is kept beside it. Does not decide what is believed of a record.
 */
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as v from "valibot";
import type { MemberRecord } from "@leasehold/replication";
import {
  Epoch,
  LeaderPositionShape,
  LineageShape,
  parseShape,
  PositionShape,
  WholeNumber,
  type Parsed,
} from "../shapes.ts";
import { replaceFileDurably } from "./atomic.ts";

const FORMAT_VERSION = 1;

const Record: v.GenericSchema<unknown, MemberRecord> = v.object({
  runId: v.nullable(v.string()),
  cold: v.optional(v.boolean(), false),
  outlived: v.optional(v.boolean(), false),
  leads: v.optional(v.boolean(), false),
  mode: v.picklist(["aof", "rdb", "none"]),
  keys: v.pipe(WholeNumber, v.minValue(0)),
  epoch: Epoch,
  reservedEpoch: v.optional(Epoch, 0),
  lineage: LineageShape,
  position: v.nullable(PositionShape),
  durablePosition: v.nullable(PositionShape),
  clean: v.boolean(),
  syncing: v.boolean(),
  members: v.array(v.string()),
  membersSent: v.array(v.string()),
  holder: v.nullable(v.string()),
  leaderPosition: v.nullable(LeaderPositionShape),
  addresses: v.optional(
    v.record(v.string(), v.object({ host: v.string(), peerPort: WholeNumber })),
    {},
  ),
});

const RecordFile = v.object({ version: v.literal(FORMAT_VERSION), record: Record });

export interface RecordWriteResult {
  readonly ok: boolean;
  /** Empty if `ok`. */
  readonly message: string;
}

export interface RecordFile {
  /** Null: there is none, or none that can be understood (`complain` has then been called). */
  read(): Promise<MemberRecord | null>;
  /** Refuses while an earlier call is still open. Never throws. */
  write(record: MemberRecord): Promise<RecordWriteResult>;
}

export function openRecordFile(path: string, complain: (words: string) => void): RecordFile {
  let isOpen = false;
  return {
    async read() {
      const text = await readIfPresent(path);
      if (text === null) return null;
      const parsed = parseRecord(text);
      if (parsed.ok) return parsed.value;
      const aside = `${path}.unreadable`;
      await copyFile(path, aside).catch(() => undefined);
      complain(
        `The record ${path} cannot be understood (${parsed.words}): this member counts as one without ` +
          `a record. A copy is kept as ${aside}.`,
      );
      return null;
    },
    async write(record) {
      if (isOpen) return { ok: false, message: `the previous write of ${path} has not returned` };
      isOpen = true;
      try {
        await mkdir(dirname(path), { recursive: true });
        await replaceFileDurably(path, formatRecord(record));
        return { ok: true, message: "" };
      } catch (error) {
        return { ok: false, message: `${path} cannot be written: ${String(error)}` };
      } finally {
        isOpen = false;
      }
    },
  };
}

export function formatRecord(record: MemberRecord): string {
  return `${JSON.stringify({ version: FORMAT_VERSION, record })}\n`;
}

export function parseRecord(text: string): Parsed<MemberRecord> {
  const parsed = parseShape(RecordFile, text);
  return parsed.ok ? { ok: true, value: parsed.value.record } : parsed;
}

/** Throws if the file exists and cannot be read: then the volume is sick, not the record. */
async function readIfPresent(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
