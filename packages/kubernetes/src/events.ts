/**
 * Kubernetes Events of a group, on its StatefulSet: `kubectl describe` then tells the story.
 *
 * Best effort: one try per Event, no order kept with anything else. The same words again within
 * ten minutes raise the count of the Event that is there.
 */
import { randomBytes } from "node:crypto";
import type { Reason } from "@leasehold/replication";
import { objectIn, wordsOfAnswer } from "./api/answer.ts";
import { LABEL } from "./names.ts";
import { collectionPath, objectPath } from "./paths.ts";
import type { ApiClient } from "./api/client.ts";
import type { PodReference } from "./slice.ts";

export interface EventText {
  readonly reason: Reason;
  readonly words: string;
  readonly time: Date;
}

export interface Events {
  /** Rejects if it could not be written. */
  write(event: EventText, deadlineMs: number): Promise<void>;
}

export interface EventsOptions {
  readonly client: ApiClient;
  readonly group: string;
  readonly pod: PodReference;
}

interface Written {
  readonly name: string;
  readonly writtenAtMs: number;
  readonly count: number;
}

const SAME_EVENT_MS = 600_000;
const REMEMBERED = 64;
const MAX_WORDS = 1024;

/** What somebody should look at, now or the morning after. */
const WARNINGS: ReadonlySet<Reason> = new Set<Reason>([
  "selfFence",
  "leaseLost",
  "strangersRecord",
  "switchoverRefused",
  "switchoverAborted",
  "cutoverRefused",
  "redisDied",
  "redisHung",
  "redisBusy",
  "killed",
  "emptyRefused",
  "coldStartUndecided",
  "noCandidate",
  "failsafe",
  "clockSkew",
  "rightsMissing",
  "internalKeyDerived",
  "credentialsOutOfSync",
  "certificateRejected",
  "restartRequired",
  "invariant",
]);

export function createEvents(options: EventsOptions): Events {
  const { client, group, pod } = options;
  const { namespace } = client;
  const written = new Map<string, Written>();
  let ownerUid: string | null = null;

  /** Without its uid `kubectl describe` would not find the Event. */
  async function uidOfOwner(deadlineMs: number): Promise<string | null> {
    if (ownerUid !== null) return ownerUid;
    const path = objectPath("statefulsets", namespace, group);
    const answer = await client.request({ method: "GET", path, deadlineMs });
    ownerUid = objectIn(answer, 200)?.metadata.uid ?? null;
    return ownerUid;
  }

  function remember(key: string, event: Written): void {
    written.delete(key);
    written.set(key, event);
    const oldest = written.keys().next().value;
    if (written.size > REMEMBERED && oldest !== undefined) written.delete(oldest);
  }

  /** False: it is not there any more. */
  async function countUp(key: string, event: Written, context: Context): Promise<boolean> {
    const count = event.count + 1;
    const answer = await client.request({
      method: "PATCH",
      path: objectPath("events", namespace, event.name),
      body: { count, lastTimestamp: secondsOf(context.time) },
      contentType: "application/merge-patch+json",
      deadlineMs: context.deadlineMs,
    });
    if (!objectIn(answer, 200)) return false;
    remember(key, { ...event, count });
    return true;
  }

  return {
    async write({ reason, words, time }, deadlineMs) {
      const message = words.slice(0, MAX_WORDS);
      const key = `${reason} ${message}`;
      const known = written.get(key);
      const fresh = known && performance.now() - known.writtenAtMs < SAME_EVENT_MS;
      if (fresh && (await countUp(key, known, { time, deadlineMs }))) return;
      const name = `${group}.${randomBytes(8).toString("hex")}`;
      const owner = { namespace, name: group, uid: await uidOfOwner(deadlineMs) };
      const answer = await client.request({
        method: "POST",
        path: collectionPath("events", namespace),
        body: eventOf({ reason, words: message, time }, { name, owner, pod }),
        deadlineMs,
      });
      if (!objectIn(answer, 201)) {
        throw new Error(`an Event was not written: ${wordsOfAnswer(answer)}`);
      }
      remember(key, { name, writtenAtMs: performance.now(), count: 1 });
    },
  };
}

interface EventPlace {
  readonly name: string;
  readonly owner: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string | null;
  };
  readonly pod: PodReference;
}

function eventOf({ reason, words, time }: EventText, { name, owner, pod }: EventPlace): unknown {
  const { namespace } = owner;
  const at = secondsOf(time);
  return {
    metadata: { name, labels: { [LABEL.group]: owner.name } },
    involvedObject: { apiVersion: "apps/v1", kind: "StatefulSet", ...owner },
    related: { apiVersion: "v1", kind: "Pod", namespace, name: pod.name, uid: pod.uid },
    reason: reason.charAt(0).toUpperCase() + reason.slice(1),
    message: words,
    type: WARNINGS.has(reason) ? "Warning" : "Normal",
    source: { component: "leasehold", host: pod.name },
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
  };
}

interface Context {
  readonly time: Date;
  readonly deadlineMs: number;
}

function secondsOf(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}
