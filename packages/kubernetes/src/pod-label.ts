/**
 * The label `leasehold.dev/role` of the own pod, by which a Service can select replicas.
 *
 * A merge patch that names the pod's UID, so that a sidecar that froze labels no successor of its
 * pod; on a lane of its own, so that no connection of the election waits for it.
 */
import { objectIn, wordsOfAnswer } from "./api/answer.ts";
import type { ApiClient } from "./api/client.ts";
import { LABEL } from "./names.ts";
import { objectPath } from "./paths.ts";

export type PodRole = "primary" | "replica";

export interface PodLabel {
  /** Rejects if it was not written within the deadline. */
  write(role: PodRole, deadlineMs: number): Promise<void>;
}

export interface PodLabelOptions {
  readonly client: ApiClient;
  readonly pod: { readonly name: string; readonly uid: string };
}

const LANE = "pod-label";

export function createPodLabel({ client, pod }: PodLabelOptions): PodLabel {
  const path = objectPath("pods", client.namespace, pod.name);
  return {
    async write(role, deadlineMs) {
      const answer = await client.request({
        method: "PATCH",
        path,
        body: { metadata: { uid: pod.uid, labels: { [LABEL.role]: role } } },
        contentType: "application/merge-patch+json",
        deadlineMs,
        lane: LANE,
      });
      if (objectIn(answer, 200)) return;
      throw new Error(`the pod ${pod.name} was not labelled ${role}: ${wordsOfAnswer(answer)}`);
    },
  };
}
