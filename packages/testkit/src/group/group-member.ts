/**
 * One member of a group as a caller sees it: its processes, its pod object, its cables.
 */
import { randomUUID } from "node:crypto";
import { createMemberProcesses, type MemberPlan, type MemberProcesses } from "./member.ts";
import { PORTS } from "./addresses.ts";
import type { PodFacts } from "./cluster-objects.ts";
import type { CutWay, PodNetwork } from "./pod-network.ts";
import type { FakeKubernetesApi } from "../fake-kubernetes-api/index.ts";

export interface GroupMember {
  readonly name: string;
  readonly ordinal: number;
  /** The address that others are told; a cut silences it. */
  readonly podHost: string;
  /** The address of its processes: for clients that a cut must not touch. */
  readonly realHost: string;
  readonly redisPort: number;
  /** Undefined: Redis asks for none. */
  readonly password: string | undefined;
  /** `http://…:8008` */
  readonly httpUrl: string;
  readonly guard: MemberProcesses["guard"];
  readonly sidecar: MemberProcesses["sidecar"];
  readonly redis: MemberProcesses["redis"];
  readonly dataDirectory: string;
  readonly runDirectory: string;
  readonly logFiles: MemberProcesses["logFiles"];
  /** A new pod by default; `samePod` after a reboot of its node. Does nothing while it runs. */
  powerOn(options?: { readonly samePod?: boolean }): void;
  /** All processes at once and the tmpfs; the pod object stays, as after a power loss. */
  cutPower(): Promise<void>;
  /** `kubectl delete pod` as the kubelet does it; then the new pod starts. */
  restartPod(graceMs: number): Promise<void>;
  /** The first half of `restartPod`: the pod is gone, nothing starts. */
  deletePod(graceMs: number): Promise<void>;
  cutFromApi(): void;
  restoreApi(): void;
  cutFromPeers(way?: CutWay): void;
  restorePeers(): void;
  /** Removes everything on its volume. The member must not run. */
  wipeDisk(): void;
  /** Ends it for good: whatever still waits starts nothing any more. */
  close(): Promise<void>;
}

export interface MemberParts {
  readonly plan: MemberPlan;
  readonly network: PodNetwork;
  readonly api: FakeKubernetesApi;
  readonly setPod: (facts: Omit<PodFacts, "revision">) => void;
  readonly removePod: () => void;
}

export function createMember(parts: MemberParts): GroupMember {
  const { plan, network, api, setPod, removePod } = parts;
  const { podHost, realHost } = plan.address;
  const processes = createMemberProcesses(plan);
  let uid: string = randomUUID();
  let endOutage: (() => void) | null = null;
  let isClosed = false;
  const facts = { name: plan.name, host: podHost, graceSeconds: null, terminated: false };

  const member: GroupMember = {
    name: plan.name,
    ordinal: plan.ordinal,
    podHost,
    realHost,
    redisPort: PORTS.redis,
    password: plan.password || undefined,
    httpUrl: `http://${realHost}:${PORTS.http}`,
    guard: processes.guard,
    sidecar: processes.sidecar,
    redis: processes.redis,
    dataDirectory: processes.dataDirectory,
    runDirectory: processes.runDirectory,
    logFiles: processes.logFiles,
    powerOn({ samePod = false } = {}) {
      if (isClosed) return;
      if (processes.sidecar.pid() !== null && processes.guard.pid() !== null) return;
      if (!samePod) uid = randomUUID();
      setPod({ ...facts, uid });
      processes.start(uid);
    },
    cutPower: () => processes.cutPower(),
    async deletePod(graceMs) {
      setPod({ ...facts, uid, graceSeconds: Math.ceil(graceMs / 1_000) });
      await processes.terminate(graceMs);
      removePod();
    },
    async restartPod(graceMs) {
      await member.deletePod(graceMs);
      member.powerOn();
    },
    cutFromApi() {
      endOutage ??= api.faults.outage(plan.name);
    },
    restoreApi() {
      endOutage?.();
      endOutage = null;
    },
    cutFromPeers: (way) => network.cut(podHost, way),
    restorePeers: () => network.heal(podHost),
    wipeDisk: () => processes.wipeDisk(),
    async close() {
      isClosed = true;
      await processes.cutPower();
    },
  };
  return member;
}
