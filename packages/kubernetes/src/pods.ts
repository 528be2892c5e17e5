/** Pods and StatefulSet → what the protocol wants to know of them. Never throws. */
import type { PodObservation, PodsObservation } from "@leasehold/replication";
import { listAt, numberAt, recordAt, textAt } from "./api/object.ts";
import { LABEL } from "./names.ts";
import type { ApiObject } from "./api/object.ts";

export interface PodPorts {
  readonly redisPort: number;
  readonly peerPort: number;
}

/** Containers that must both have ended before a pod counts as dead. */
const CONTAINERS = ["redis", "leasehold"];

export function podsObservationOf(
  pods: readonly ApiObject[],
  statefulSet: ApiObject,
  ports: PodPorts,
): PodsObservation {
  const name = statefulSet.metadata.name ?? "";
  const isMember = (pod: ApiObject): boolean => {
    const ordinal = pod.metadata.name?.slice(name.length) ?? "";
    return pod.metadata.name?.startsWith(name) === true && /^-\d+$/.test(ordinal);
  };
  return {
    pods: pods.filter(isMember).map((pod) => podObservationOf(pod, ports)),
    // The API's own default.
    replicas: numberAt(recordAt(statefulSet, "spec"), "replicas") ?? 1,
    updateRevision: textAt(recordAt(statefulSet, "status"), "updateRevision"),
  };
}

function podObservationOf(pod: ApiObject, { redisPort, peerPort }: PodPorts): PodObservation {
  const { metadata } = pod;
  const host = textAt(recordAt(pod, "status"), "podIP");
  const graceSeconds = numberAt(metadata, "deletionGracePeriodSeconds");
  return {
    member: metadata.name ?? "",
    uid: metadata.uid,
    address: host ? { host, port: redisPort } : null,
    peerPort,
    terminating: metadata.deletionTimestamp !== undefined,
    graceMs: graceSeconds === null ? null : graceSeconds * 1000,
    dead: CONTAINERS.every((container) => hasEnded(pod, container)),
    revision: metadata.labels?.[LABEL.revision] ?? "",
  };
}

/**
 * The kubelet saw the container end. Not proof: the pod's phase, which a controller sets for a
 * pod of a lost node, and `ContainerStatusUnknown`, which is a guess.
 */
function hasEnded(pod: ApiObject, container: string): boolean {
  const status = recordAt(pod, "status");
  const all = [...listAt(status, "containerStatuses"), ...listAt(status, "initContainerStatuses")];
  const own = all.find((one) => textAt(one, "name") === container);
  const state = recordAt(own, "state");
  const ended = recordAt(state, "terminated");
  return "terminated" in state && textAt(ended, "reason") !== "ContainerStatusUnknown";
}
