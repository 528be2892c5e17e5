/**
 * The other side of control.ts: what a person asks of a group, written into `<group>-control`.
 *
 * Guarantees: every change is a compare-and-swap, so a request never replaces another one and a
 * withdrawal never takes a stranger's away; needs `get`, `patch` and, for the first wish of a
 * group, `create` of ConfigMaps.
 */
import type { ControlRequest, PauseSpan } from "@leasehold/replication";
import { controlOf } from "./control.ts";
import { CONTROL_KEY, LABEL, controlName } from "./names.ts";
import { collectionPath, objectPath } from "./paths.ts";
import { notRead, readOne, rightTo, type Reading } from "./reading.ts";
import { saysConflict } from "./status.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";

export type Sent =
  | { readonly kind: "sent" }
  /** Another request is not answered yet. */
  | { readonly kind: "busy"; readonly request: ControlRequest };

export interface ControlRequests {
  send(request: ControlRequest): Promise<Reading<Sent>>;
  /** Null: nothing was there to withdraw. `id`: only this one. */
  withdraw(id?: string): Promise<Reading<ControlRequest | null>>;
  /** Null: people lift the pause. */
  pause(wish: PauseWish | null): Promise<Reading<void>>;
}

export interface PauseWish {
  /** Null: nobody said why. */
  readonly reason: string | null;
  /** Null: until people lift it. */
  readonly span: PauseSpan | null;
}

type Data = Readonly<Record<string, string | null>>;

/** What to change, or what was found that makes a change needless. */
type Edit<T> = (configMap: ApiObject | null) => { readonly data: Data | null; readonly value: T };

const MAX_TRIES = 5;
const MERGE_PATCH = "application/merge-patch+json";

/** `deadlineMs` is for each call of the API. */
export function createControlRequests(
  client: ApiClient,
  group: string,
  deadlineMs: number,
): ControlRequests {
  const name = controlName(group);

  async function edit<T>(plan: Edit<T>): Promise<Reading<T>> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const read = await readOne(client, { kind: "configmaps", name }, deadlineMs);
      if (read.kind === "forbidden" || read.kind === "failed") return read;
      const base = read.kind === "read" ? read.value : null;
      const { data, value } = plan(base);
      if (data === null) return { kind: "read", value };
      const answer = await client.request(base === null ? creation(data) : change(base, data));
      if (saysConflict(answer)) continue;
      const isDone = answer.kind === "answered" && answer.status < 300;
      if (isDone) return { kind: "read", value };
      return notRead(answer, rightTo(base === null ? "create" : "patch", "configmaps"));
    }
    return { kind: "failed", words: `${name} changes too often` };
  }

  function change(base: ApiObject, data: Data) {
    const path = objectPath("configmaps", client.namespace, name);
    const { resourceVersion } = base.metadata;
    const body = { metadata: { resourceVersion }, data };
    return { method: "PATCH", path, body, contentType: MERGE_PATCH, deadlineMs } as const;
  }

  function creation(data: Data) {
    const path = collectionPath("configmaps", client.namespace);
    const known = Object.entries(data).filter(([, value]) => value !== null);
    const metadata = { name, labels: { [LABEL.group]: group } };
    const body = { metadata, data: Object.fromEntries(known) };
    return { method: "POST", path, body, deadlineMs } as const;
  }

  return {
    send: (request) =>
      edit<Sent>((configMap) => {
        const { request: pending } = controlOf(configMap);
        const isOther = pending !== null && pending.id !== request.id;
        if (isOther) return { data: null, value: { kind: "busy", request: pending } };
        const data = { [CONTROL_KEY.request]: JSON.stringify(request) };
        return { data, value: { kind: "sent" } };
      }),
    withdraw: (id) =>
      edit((configMap) => {
        const { request } = controlOf(configMap);
        const isMeant = request !== null && (id === undefined || request.id === id);
        if (!isMeant) return { data: null, value: null };
        return { data: { [CONTROL_KEY.request]: null }, value: request };
      }),
    pause: (wish) =>
      edit((configMap) => {
        if (wish === null && configMap === null) return { data: null, value: undefined };
        const data = {
          [CONTROL_KEY.paused]: wish === null ? null : "true",
          [CONTROL_KEY.pauseReason]: wish?.reason ?? null,
          [CONTROL_KEY.pauseFor]: wish?.span ? JSON.stringify(wish.span) : null,
        };
        return { data, value: undefined };
      }),
  };
}
