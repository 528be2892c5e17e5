/**
 * What people ask of a group, through the ConfigMap `<group>-control`: so Kubernetes' RBAC and
 * audit log decide and record who may. Keys: names.ts. What cannot be read counts as not there.
 */
import type {
  ControlObservation,
  ControlRequest,
  PauseSpan,
  RequestResult,
} from "@leasehold/replication";
import { objectIn, wordsOfAnswer } from "./api/answer.ts";
import { isRecord, recordAt, textAt } from "./api/object.ts";
import { count, listOf, parseText, text } from "./json.ts";
import { CONTROL_KEY, controlName } from "./names.ts";
import { objectPath } from "./paths.ts";
import { saysConflict, saysMissing } from "./status.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";
import type { Shape } from "./json.ts";

/** Null: the ConfigMap does not exist. */
export function controlOf(configMap: ApiObject | null): ControlObservation {
  const at = (key: string): string | undefined => dataAt(configMap, key);
  return {
    paused: at(CONTROL_KEY.paused) === "true",
    pauseSpan: parseText(at(CONTROL_KEY.pauseFor), pauseSpan),
    request: parseText(at(CONTROL_KEY.request), controlRequest),
    forgotten: parseText(at(CONTROL_KEY.forgotten), listOf(text)) ?? [],
  };
}

export interface ControlAnswers {
  /**
   * Writes the answer to a request and takes the request away. A request that was withdrawn is
   * answered too, for whoever withdrew it has to know whether it was in time; nothing is written
   * if another one stands in its place, or if it has its answer. Rejects if it could not be done
   * within the deadline.
   */
  finish(requestId: string, result: RequestResult, deadlineMs: number): Promise<void>;
  /** Takes a pause away that is over, if it is still this one. Rejects as above. */
  endPause(pauseId: string, deadlineMs: number): Promise<void>;
}

/** What became of a request. */
export interface ControlAnswer extends RequestResult {
  readonly id: string;
}

export interface ControlAnswersOptions {
  readonly client: ApiClient;
  readonly group: string;
  readonly wallClock?: () => Date;
}

const MAX_TRIES = 4;

/** What the data is to become; null: there is nothing to do. */
type Edit = (configMap: ApiObject) => Readonly<Record<string, unknown>> | null;

export function createControlAnswers(options: ControlAnswersOptions): ControlAnswers {
  const { client, group } = options;
  const wallClock = options.wallClock ?? (() => new Date());
  const name = controlName(group);
  const path = objectPath("configmaps", client.namespace, name);

  /** True: there is nothing left to do. */
  async function tryOnce(edit: Edit, deadlineMs: number): Promise<boolean> {
    const read = await client.request({ method: "GET", path, deadlineMs });
    if (saysMissing(read, name)) return true;
    const configMap = objectIn(read, 200);
    if (!configMap) throw new Error(`${name} was not read: ${wordsOfAnswer(read)}`);
    const data = edit(configMap);
    if (data === null) return true;
    const body = { ...configMap, data };
    const written = await client.request({ method: "PUT", path, body, deadlineMs });
    if (saysConflict(written)) return false;
    if (written.kind === "answered" && written.status === 200) return true;
    throw new Error(`${name} was not written: ${wordsOfAnswer(written)}`);
  }

  async function change(edit: Edit, what: string, deadlineMs: number): Promise<void> {
    const endMs = performance.now() + deadlineMs;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) break;
      if (await tryOnce(edit, leftMs)) return;
    }
    throw new Error(`${name} changes too often: ${what}`);
  }

  return {
    finish(requestId, result, deadlineMs) {
      const edit: Edit = (configMap) => {
        const request = parseText(dataAt(configMap, CONTROL_KEY.request), controlRequest);
        if (request !== null && request.id !== requestId) return null;
        if (request === null && answerOf(configMap)?.id === requestId) return null;
        const { [CONTROL_KEY.request]: _done, ...data } = recordAt(configMap, "data");
        const answer = { id: requestId, ...result, at: wallClock().toISOString() };
        return { ...data, [CONTROL_KEY.answer]: JSON.stringify(answer) };
      };
      return change(edit, `request ${requestId} was not answered`, deadlineMs);
    },
    endPause(pauseId, deadlineMs) {
      const edit: Edit = (configMap) => {
        if (controlOf(configMap).pauseSpan?.id !== pauseId) return null;
        const { paused: _p, pauseReason: _r, pauseFor: _f, ...data } = recordAt(configMap, "data");
        return data;
      };
      return change(edit, `pause ${pauseId} was not taken away`, deadlineMs);
    },
  };
}

/** Why people paused the group; null: nobody said. */
export function pauseReasonOf(configMap: ApiObject | null): string | null {
  return dataAt(configMap, CONTROL_KEY.pauseReason) || null;
}

/** The newest answer; null: none that can be read. */
export function answerOf(configMap: ApiObject | null): ControlAnswer | null {
  return parseText(dataAt(configMap, CONTROL_KEY.answer), (value) => {
    if (!isRecord(value)) return null;
    const { done, refused } = value;
    const id = text(value["id"]);
    if (id === null || typeof done !== "boolean") return null;
    return { id, done, refused: refused === true, words: text(value["words"]) ?? "" };
  });
}

const pauseSpan: Shape<PauseSpan> = (value) => {
  if (!isRecord(value)) return null;
  const id = text(value["id"]);
  const forMs = count(value["forMs"]);
  return id === null || forMs === null ? null : { id, forMs };
};

const controlRequest: Shape<ControlRequest> = (value) => {
  if (!isRecord(value)) return null;
  const id = text(value["id"]);
  const { kind, force } = value;
  if (id === null || (kind !== "switchover" && kind !== "failover" && kind !== "cutover")) {
    return null;
  }
  const request: ControlRequest = { id, kind, to: text(value["to"]), force: force === true };
  return value["alone"] === true ? { ...request, alone: true } : request;
};

function dataAt(configMap: ApiObject | null, key: string): string | undefined {
  return textAt(recordAt(configMap, "data"), key) ?? undefined;
}
