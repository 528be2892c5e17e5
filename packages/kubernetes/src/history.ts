/**
 * The last changes of the leader, as JSON lines in the ConfigMap `<group>-history`.
 *
 * Guarantees: an entry is appended by compare-and-swap, so nobody's entry is lost, and at most
 * once, even if the outcome of a try was unknown. Never holds more than `MAX_ENTRIES`.
 */
import type { Epoch, MemberName } from "@leasehold/election";
import type { LeaderChange, Reason } from "@leasehold/replication";
import { objectIn, wordsOfAnswer } from "./api/answer.ts";
import { isRecord, recordAt, textAt } from "./api/object.ts";
import { count, parseText } from "./json.ts";
import { HISTORY_KEY, LABEL, historyName } from "./names.ts";
import { collectionPath, objectPath } from "./paths.ts";
import { saysConflict, saysMissing } from "./status.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";

export interface HistoryEntry extends LeaderChange {
  readonly epoch: Epoch;
  /** Wall clock of the member that wrote it, ISO 8601: for people. */
  readonly time: string;
  readonly reason: Reason;
  readonly words: string;
  readonly by: MemberName;
}

export interface HistoryState {
  readonly exists: boolean;
  /** Greatest epoch in it; 0 if there is none. */
  readonly epoch: Epoch;
  /** Oldest first; lines as they were written, also such as we cannot read. */
  readonly lines: readonly string[];
}

export interface History {
  /** Rejects if the API did not answer in time. */
  read(deadlineMs: number): Promise<HistoryState>;
  /** Rejects if it could not be written within the deadline; then it may be tried again. */
  append(entry: HistoryEntry, deadlineMs: number): Promise<void>;
}

const KINDS = ["bootstrap", "switchover", "failover", "coldStart", "resume"] as const;
const MAX_ENTRIES = 100;
const MAX_TRIES = 5;

export function createHistory(client: ApiClient, group: string): History {
  const name = historyName(group);
  const path = objectPath("configmaps", client.namespace, name);

  async function readObject(deadlineMs: number): Promise<ApiObject | null> {
    const answer = await client.request({ method: "GET", path, deadlineMs });
    if (saysMissing(answer, name)) return null;
    const configMap = objectIn(answer, 200);
    if (!configMap) throw new Error(`${name} was not read: ${wordsOfAnswer(answer)}`);
    return configMap;
  }

  /** False: somebody else wrote in between. */
  async function tryAppend(line: string, deadlineMs: number): Promise<boolean> {
    const base = await readObject(deadlineMs);
    const lines = linesOf(base);
    if (lines.includes(line)) return true;
    const text = [...lines, line].slice(-MAX_ENTRIES).join("\n");
    const answer = await client.request({
      method: base ? "PUT" : "POST",
      path: base ? path : collectionPath("configmaps", client.namespace),
      body: base
        ? { ...base, data: { ...recordAt(base, "data"), [HISTORY_KEY]: text } }
        : { metadata: { name, labels: { [LABEL.group]: group } }, data: { [HISTORY_KEY]: text } },
      deadlineMs,
    });
    if (saysConflict(answer)) return false;
    if (objectIn(answer, base ? 200 : 201)) return true;
    throw new Error(`${name} was not written: ${wordsOfAnswer(answer)}`);
  }

  return {
    async read(deadlineMs) {
      const configMap = await readObject(deadlineMs);
      const lines = linesOf(configMap);
      return { exists: configMap !== null, epoch: Math.max(0, ...lines.map(epochOf)), lines };
    },
    async append(entry, deadlineMs) {
      const endMs = performance.now() + deadlineMs;
      const line = JSON.stringify(entry);
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const leftMs = endMs - performance.now();
        if (leftMs <= 0) break;
        if (await tryAppend(line, leftMs)) return;
      }
      throw new Error(`${name} changes too often: an entry was not written`);
    },
  };
}

function linesOf(configMap: ApiObject | null): readonly string[] {
  const text = textAt(recordAt(configMap, "data"), HISTORY_KEY) ?? "";
  return text.split("\n").filter((line) => line !== "");
}

/** Null: a line that is none of ours. Fields that an older version did not write are null. */
export function parseHistoryLine(line: string): HistoryEntry | null {
  return parseText(line, (value) => {
    if (!isRecord(value)) return null;
    const epoch = count(value["epoch"]);
    const time = textAt(value, "time");
    const kind = KINDS.find((one) => one === value["kind"]);
    if (epoch === null || time === null || kind === undefined) return null;
    return {
      epoch,
      time,
      kind,
      from: textAt(value, "from"),
      to: textAt(value, "to"),
      lostBytesMax: count(value["lostBytesMax"]),
      writeGapMs: count(value["writeGapMs"]),
      reason: (textAt(value, "reason") ?? "observe") as Reason,
      words: textAt(value, "words") ?? "",
      by: textAt(value, "by") ?? "",
    };
  });
}

function epochOf(line: string): Epoch {
  return parseText(line, (value) => (isRecord(value) ? count(value["epoch"]) : null)) ?? 0;
}
