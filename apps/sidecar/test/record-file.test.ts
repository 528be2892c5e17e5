import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { MemberRecord } from "@leasehold/replication";
import { formatRecord, openRecordFile, parseRecord } from "../src/files/record-file.ts";

const RECORD: MemberRecord = {
  runId: "run",
  cold: false,
  outlived: true,
  leads: false,
  mode: "aof",
  keys: 12,
  epoch: 7,
  reservedEpoch: 9,
  lineage: [{ epoch: 7, replid: "r7", startOffset: 100, parent: "r6" }],
  position: { epoch: 7, offset: 140, replid: "r7" },
  durablePosition: { epoch: 7, offset: 120, replid: "r7", restored: true, outlived: true },
  clean: false,
  syncing: false,
  members: ["orders-0", "orders-1"],
  membersSent: [],
  holder: "orders-0_u_n",
  leaderPosition: { epoch: 7, offset: 130, replid: "r7", runId: "run" },
  addresses: { "orders-1": { host: "10.0.0.1", peerPort: 8009 } },
};

let directory = "";
let complaints: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "record-"));
  complaints = [];
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const open = (path: string) => openRecordFile(path, (words) => complaints.push(words));

it("reads back what it wrote, in a folder that it makes itself", async () => {
  const file = open(join(directory, "leasehold", "member.json"));
  expect(await file.read()).toBeNull();
  expect(await file.write(RECORD)).toEqual({ ok: true, message: "" });
  expect(await file.read()).toEqual(RECORD);
  expect(complaints).toEqual([]);
});

it("takes a file that it cannot understand for no record, loudly, and keeps a copy", async () => {
  const path = join(directory, "member.json");
  await writeFile(path, '{"version":1,"record":{"runId"');
  expect(await open(path).read()).toBeNull();
  expect(complaints).toHaveLength(1);
  expect(complaints[0]).toContain(path);
  expect(await readFile(`${path}.unreadable`, "utf8")).toContain("runId");
});

it("refuses a record of another format version", () => {
  const text = formatRecord(RECORD).replace('"version":1', '"version":2');
  expect(parseRecord(text)).toMatchObject({ ok: false, words: expect.stringContaining("version") });
});

it("refuses numbers that no offset can be", () => {
  const text = formatRecord(RECORD).replace('"offset":140', '"offset":1.5');
  expect(parseRecord(text)).toMatchObject({ ok: false });
});

it("never has two calls to the volume open", async () => {
  const file = open(join(directory, "member.json"));
  const [first, second] = await Promise.all([file.write(RECORD), file.write(RECORD)]);
  expect(first.ok).toBe(true);
  expect(second.ok).toBe(false);
  expect(second.message).toContain("has not returned");
});

it("says which file could not be written", async () => {
  const path = join(directory, "member.json", "below-a-file.json");
  await writeFile(join(directory, "member.json"), "");
  const result = await open(path).write(RECORD);
  expect(result.ok).toBe(false);
  expect(result.message).toContain(path);
});
