/**
 * Reads a group for people: Lease, address, pods, requests, history, and what each member says of
 * itself at its public port, through the API server's proxy to the pod.
 *
 * Guarantees: nothing is written; each read stands alone, so that who may not see one thing still
 * sees the others; each ends within its deadline.
 */
import type { LeaseRecord } from "@leasehold/election";
import type {
  ControlObservation,
  MemberReport,
  MemberStatus,
  SliceObservation,
} from "@leasehold/replication";
import { isRecord, listAt, numberAt, recordAt, textAt } from "./api/object.ts";
import { answerOf, controlOf, pauseReasonOf, type ControlAnswer } from "./control.ts";
import { parseHistoryLine, type HistoryEntry } from "./history.ts";
import { recordOf } from "./lease-record.ts";
import { ANNOTATION, HISTORY_KEY, LABEL, controlName, historyName } from "./names.ts";
import { objectPath } from "./paths.ts";
import { mapReading, notRead, readList, readOne, rightTo, type Reading } from "./reading.ts";
import { observationOf } from "./slice.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";

export interface LeaseView {
  readonly name: string;
  readonly record: LeaseRecord;
  /** Wall clock of its holder, ISO 8601: for people. */
  readonly renewTime: string | null;
}

export interface ServicePortView {
  readonly port: number;
  readonly isTls: boolean;
}

export interface PodView {
  readonly name: string;
  readonly uid: string;
  readonly ip: string | null;
  readonly node: string | null;
  readonly phase: string;
  readonly isReady: boolean;
  readonly isTerminating: boolean;
  /** Of both containers. */
  readonly restarts: number;
  readonly createdAt: string | null;
  readonly sidecarImage: string | null;
  readonly httpPort: number;
}

export interface ControlView {
  readonly wishes: ControlObservation;
  readonly pauseReason: string | null;
  readonly answer: ControlAnswer | null;
}

export interface MemberView {
  readonly report: MemberReport;
  readonly status: MemberStatus;
}

export interface GroupReader {
  /** Of all groups in the namespace. */
  leases(): Promise<Reading<readonly LeaseView[]>>;
  lease(group: string): Promise<Reading<LeaseView>>;
  slice(group: string): Promise<Reading<SliceObservation>>;
  pods(group: string): Promise<Reading<readonly PodView[]>>;
  /** `spec.replicas` of the StatefulSet. */
  size(group: string): Promise<Reading<number>>;
  control(group: string): Promise<Reading<ControlView>>;
  /** Oldest first, without lines that cannot be read. */
  history(group: string): Promise<Reading<readonly HistoryEntry[]>>;
  /** What a member says of itself. */
  member(pod: PodView): Promise<Reading<MemberView>>;
  /** The port named `redis` of a Service, or its first one. */
  servicePort(service: string): Promise<Reading<ServicePortView>>;
  /** One value of a Secret, decoded; missing, too, if the Secret has no such key. */
  secret(name: string, key: string): Promise<Reading<string>>;
}

/** It answers from memory: who takes longer hangs, and is not waited for. */
const MEMBER_MS = 2_000;
const DEFAULT_HTTP_PORT = 8008;
const DEFAULT_REDIS_PORT = 6379;

/** `deadlineMs` is for each read. */
export function createGroupReader(client: ApiClient, deadlineMs: number): GroupReader {
  return {
    async leases() {
      const place = { kind: "leases", labelSelector: LABEL.group } as const;
      const read = await readList(client, place, deadlineMs);
      return mapReading(read, (leases) => leases.map(leaseView));
    },
    async lease(group) {
      const read = await readOne(client, { kind: "leases", name: group }, deadlineMs);
      return mapReading(read, leaseView);
    },
    async slice(group) {
      const labelSelector = `${LABEL.serviceName}=${group}`;
      const read = await readList(client, { kind: "endpointslices", labelSelector }, deadlineMs);
      return mapReading(read, observationOf);
    },
    async pods(group) {
      const labelSelector = `${LABEL.group}=${group}`;
      const read = await readList(client, { kind: "pods", labelSelector }, deadlineMs);
      return mapReading(read, (pods) => pods.map(podView).toSorted(byName));
    },
    async size(group) {
      const read = await readOne(client, { kind: "statefulsets", name: group }, deadlineMs);
      return mapReading(read, (set) => numberAt(recordAt(set, "spec"), "replicas") ?? 1);
    },
    async control(group) {
      const place = { kind: "configmaps", name: controlName(group) } as const;
      const read = await readOne(client, place, deadlineMs);
      return mapReading(read, (object) => ({
        wishes: controlOf(object),
        pauseReason: pauseReasonOf(object),
        answer: answerOf(object),
      }));
    },
    async history(group) {
      const place = { kind: "configmaps", name: historyName(group) } as const;
      const read = await readOne(client, place, deadlineMs);
      return mapReading(read, (object) => {
        const text = textAt(recordAt(object, "data"), HISTORY_KEY) ?? "";
        return text
          .split("\n")
          .map(parseHistoryLine)
          .filter((entry) => entry !== null);
      });
    },
    member: (pod) => readMember(client, pod, Math.min(MEMBER_MS, deadlineMs)),
    async servicePort(service) {
      const read = await readOne(client, { kind: "services", name: service }, deadlineMs);
      return mapReading(read, (object) => {
        const ports = listAt(recordAt(object, "spec"), "ports");
        const port = ports.find((one) => textAt(one, "name") === "redis") ?? ports[0];
        const isTls = object.metadata?.annotations?.[ANNOTATION.tls] === "true";
        return { port: numberAt(port, "port") ?? DEFAULT_REDIS_PORT, isTls };
      });
    },
    async secret(name, key) {
      const read = await readOne(client, { kind: "secrets", name }, deadlineMs);
      if (read.kind !== "read") return read;
      const encoded = textAt(recordAt(read.value, "data"), key);
      if (encoded === null) return { kind: "missing" };
      return { kind: "read", value: Buffer.from(encoded, "base64").toString("utf8") };
    },
  };
}

async function readMember(
  client: ApiClient,
  { name, httpPort }: PodView,
  deadlineMs: number,
): Promise<Reading<MemberView>> {
  // RBAC sees the port as a part of the pod's name.
  const pod = objectPath("pods", client.namespace, `${name}:${httpPort}`);
  const path = `${pod}/proxy/v1/member`;
  const answer = await client.request({ method: "GET", path, deadlineMs });
  if (answer.kind === "answered" && answer.status === 200 && isMember(answer.body)) {
    return { kind: "read", value: answer.body };
  }
  return notRead(answer, rightTo("get", "pods/proxy"));
}

/** A sidecar of another version may say more, or less. */
function isMember(body: unknown): body is MemberView {
  const report = recordAt(body, "report");
  return textAt(report, "member") !== null && isRecord(recordAt(body, "status"));
}

function leaseView(lease: ApiObject): LeaseView {
  const renewTime = textAt(recordAt(lease, "spec"), "renewTime");
  return { name: lease.metadata.name ?? "", record: recordOf(lease), renewTime };
}

function podView(pod: ApiObject): PodView {
  const { metadata } = pod;
  const spec = recordAt(pod, "spec");
  const status = recordAt(pod, "status");
  const containers = [...listAt(spec, "initContainers"), ...listAt(spec, "containers")];
  const sidecar = containers.find((one) => textAt(one, "name") === "leasehold");
  const http = listAt(sidecar, "ports").find((port) => textAt(port, "name") === "http");
  const states = [
    ...listAt(status, "initContainerStatuses"),
    ...listAt(status, "containerStatuses"),
  ];
  const ready = listAt(status, "conditions").find((one) => textAt(one, "type") === "Ready");
  return {
    name: metadata.name ?? "",
    uid: metadata.uid,
    ip: textAt(status, "podIP"),
    node: textAt(spec, "nodeName"),
    phase: textAt(status, "phase") ?? "Unknown",
    isReady: textAt(ready, "status") === "True",
    isTerminating: metadata.deletionTimestamp !== undefined,
    restarts: states.reduce<number>((sum, one) => sum + (numberAt(one, "restartCount") ?? 0), 0),
    createdAt: textAt(metadata, "creationTimestamp"),
    sidecarImage: textAt(sidecar, "image"),
    httpPort: numberAt(http, "containerPort") ?? DEFAULT_HTTP_PORT,
  };
}

function byName(a: PodView, b: PodView): number {
  return a.name.localeCompare(b.name, "en", { numeric: true });
}
