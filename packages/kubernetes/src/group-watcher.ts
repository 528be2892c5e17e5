/**
 * Watches what the protocol looks at beside the Lease: pods with their StatefulSet, slices of
 * the write Service, the control ConfigMap.
 *
 * The StatefulSet is read, not watched: whatever changes in it that matters shows as a change of
 * pods. Each callback brings a whole observation. Guarantees: at most one read of the
 * StatefulSet at a time; after `stop` no callback comes.
 */
import type { GroupListener, GroupWatcher, PodsObservation } from "@leasehold/replication";
import { objectIn, wordsOfAnswer } from "./api/answer.ts";
import { asApiObject, listAt } from "./api/object.ts";
import { controlOf } from "./control.ts";
import { LABEL, controlName, sliceName } from "./names.ts";
import { watchObjects } from "./object-watcher.ts";
import { collectionPath, objectPath } from "./paths.ts";
import { podsObservationOf } from "./pods.ts";
import { saysMissing } from "./status.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";
import type { Family } from "./names.ts";
import type { PodPorts } from "./pods.ts";
import type { WatchableSliceStore } from "./slice-store.ts";

export interface GroupWatcherOptions {
  readonly client: ApiClient;
  readonly group: string;
  readonly ports: PodPorts;
  readonly slices: WatchableSliceStore;
}

export interface PodReader {
  /** Rejects if the API did not answer in time. */
  readPods(deadlineMs: number): Promise<PodsObservation>;
}

const READ_DEADLINE_MS = 2000;
const RETRY_MS = 1000;

export function createGroupWatcher(options: GroupWatcherOptions): GroupWatcher & PodReader {
  const { client, group, ports, slices } = options;
  const statefulSet = createStatefulSetReader(client, group);
  const named = (name: string): Record<string, string> => ({
    fieldSelector: `metadata.name=${name}`,
  });
  let endings: (() => void)[] = [];

  function watchControl(listener: GroupListener): () => void {
    const selection = { kind: "configmaps", selector: named(controlName(group)) } as const;
    return watchObjects(client, selection, ([configMap]) =>
      listener.control(controlOf(configMap ?? null)),
    );
  }

  function watchSlices(families: readonly Family[], listener: GroupListener): (() => void)[] {
    const seen = new Map<Family, readonly ApiObject[]>();
    return families.map((family) => {
      const selection = {
        kind: "endpointslices",
        selector: named(sliceName(group, family)),
      } as const;
      return watchObjects(client, selection, (objects) => {
        seen.set(family, objects);
        if (seen.size < families.length) return;
        listener.slice(slices.observe([...seen.values()].flat()));
      });
    });
  }

  return {
    start(listener) {
      const families = until(
        () => slices.families(READ_DEADLINE_MS),
        (found) => {
          endings.push(...watchSlices(found, listener));
        },
      );
      const pods = watchPods(options, statefulSet, listener);
      endings = [watchControl(listener), pods, families];
    },
    stop() {
      for (const end of endings) end();
      endings = [];
    },
    async readPods(deadlineMs) {
      const [pods, found] = await Promise.all([
        listPods(client, group, deadlineMs),
        statefulSet(deadlineMs),
      ]);
      return podsObservationOf(pods, found, ports);
    },
  };
}

function watchPods(
  options: GroupWatcherOptions,
  statefulSet: StatefulSetReader,
  listener: GroupListener,
): () => void {
  const { client, group, ports } = options;
  let newest: readonly ApiObject[] = [];
  let reading: (() => void) | null = null;
  let again = false;

  function publish(): void {
    if (reading) {
      again = true;
      return;
    }
    reading = until(
      () => statefulSet(READ_DEADLINE_MS),
      (found) => {
        reading = null;
        listener.pods(podsObservationOf(newest, found, ports));
        if (!again) return;
        again = false;
        publish();
      },
    );
  }

  const stop = watchObjects(client, { kind: "pods", selector: podSelector(group) }, (pods) => {
    newest = pods;
    publish();
  });
  return () => {
    stop();
    reading?.();
  };
}

function podSelector(group: string): Record<string, string> {
  return { labelSelector: `${LABEL.group}=${group}` };
}

async function listPods(
  client: ApiClient,
  group: string,
  deadlineMs: number,
): Promise<readonly ApiObject[]> {
  const path = collectionPath("pods", client.namespace);
  const answer = await client.request({
    method: "GET",
    path,
    query: podSelector(group),
    deadlineMs,
  });
  if (answer.kind === "failed" || answer.status !== 200) {
    throw new Error(`the pods of ${group} were not read: ${wordsOfAnswer(answer)}`);
  }
  return listAt(answer.body, "items")
    .map(asApiObject)
    .filter((pod) => pod !== null);
}

/** Rejects if the API did not answer in time, or it was never there. */
type StatefulSetReader = (deadlineMs: number) => Promise<ApiObject>;

/**
 * While it is gone (deleted with `--cascade=orphan`, to be made anew) it is what it was: its pods
 * are there, and nobody could take over from a lost leader else.
 */
function createStatefulSetReader(client: ApiClient, name: string): StatefulSetReader {
  let last: ApiObject | null = null;
  return async (deadlineMs) => {
    const path = objectPath("statefulsets", client.namespace, name);
    const answer = await client.request({ method: "GET", path, deadlineMs });
    const found = saysMissing(answer, name) ? last : objectIn(answer, 200);
    if (!found) throw new Error(`StatefulSet ${name} was not read: ${wordsOfAnswer(answer)}`);
    last = found;
    return found;
  };
}

/** Tries each second until it succeeds once. Returns the function that gives up. */
function until<T>(attempt: () => Promise<T>, succeeded: (result: T) => void): () => void {
  let stopped = false;
  let timer: NodeJS.Timeout | null = null;
  const run = (): void => {
    attempt().then(
      (result) => (stopped ? undefined : succeeded(result)),
      () => {
        if (!stopped) timer = setTimeout(run, RETRY_MS);
      },
    );
  };
  run();
  return () => {
    stopped = true;
    if (timer) clearTimeout(timer);
  };
}
