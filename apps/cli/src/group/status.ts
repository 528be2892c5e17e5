/**
 * What a snapshot says of a group: the data of `leasehold status`, the same for all formats.
 *
 * Pure. JSON of `leasehold.dev/v1`: fields are added, never renamed or taken away. What could not
 * be read is null, and `unseen` says why; then pods and Lease have to do.
 */
import { parseIdentity } from "@leasehold/election";
import type { MemberView, PodView, Reading } from "@leasehold/kubernetes";
import type { ControlRequest, MemberReport, MemberStatus } from "@leasehold/replication";
import { forbidden } from "./connect.ts";
import { troublesOf } from "./health.ts";
import type { Snapshot } from "./snapshot.ts";

export const API_VERSION = "leasehold.dev/v1";

export interface GroupStatus {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: "GroupStatus";
  readonly group: string;
  readonly namespace: string;
  readonly epoch: number;
  /** Who takes writes, as far as is seen. */
  readonly leader: string | null;
  /** Whom the Lease names. */
  readonly holder: string | null;
  readonly leaseDurationSeconds: number | null;
  /** By the holder's wall clock. */
  readonly leaseRenewedAt: string | null;
  readonly writeService: string;
  readonly readService: string;
  /** Where the write address leads now; null: nowhere. */
  readonly endpoint: { readonly host: string; readonly port: number } | null;
  readonly paused: boolean;
  readonly pauseReason: string | null;
  /** How long the pause lasts from when the members saw it; null: until it is lifted. */
  readonly pauseForMs: number | null;
  /** The leader goes on without the API, by promise of the others. */
  readonly failsafe: boolean;
  /** Members that the StatefulSet wants. */
  readonly size: number | null;
  /** Not answered yet. */
  readonly request: ControlRequest | null;
  readonly members: readonly MemberRow[];
  readonly healthy: boolean;
  /** Why it is not healthy, in words. */
  readonly troubles: readonly string[];
  /** What could not be read, and what that takes. */
  readonly unseen: readonly string[];
}

export interface MemberRow {
  readonly name: string;
  readonly role: "primary" | "replica" | "unknown";
  readonly state: "up" | "gated" | "loading" | "down" | "ready" | "unready" | "silent" | "missing";
  readonly inSync: boolean | null;
  /** The Lease lists it: only then may it lead, and is asked for promises. Null: nobody knows. */
  readonly listed: boolean | null;
  readonly offset: number | null;
  readonly lagBytes: number | null;
  /** Whom it follows; null: nobody, or unknown. */
  readonly follows: string | null;
  readonly priority: number | null;
  readonly restarts: number | null;
  readonly createdAt: string | null;
  readonly terminating: boolean;
  /** Why it may not lead now; null: it may, or nobody knows. */
  readonly ineligible: string | null;
  readonly node: string | null;
  readonly ip: string | null;
  readonly version: string | null;
  readonly sidecarImage: string | null;
}

export function statusOf(snapshot: Snapshot): GroupStatus {
  const { group, namespace } = snapshot;
  const lease = valueOf(snapshot.lease);
  const slice = valueOf(snapshot.slice);
  const control = valueOf(snapshot.control);
  const record = lease?.record ?? null;
  const views = [...snapshot.members.values()].map(valueOf).filter((view) => view !== null);
  const leader = leaderOf(snapshot, views);
  const leading = views.find(({ report }) => report.member === leader) ?? null;
  const seen = {
    apiVersion: API_VERSION,
    kind: "GroupStatus",
    group,
    namespace,
    epoch: Math.max(record?.epoch ?? 0, ...views.map(({ status }) => status.epoch)),
    leader,
    holder: podOf(record?.holder ?? null),
    leaseDurationSeconds: record === null ? null : record.durationMs / 1000,
    leaseRenewedAt: lease?.renewTime ?? null,
    writeService: `${group}.${namespace}`,
    readService: `${group}-read.${namespace}`,
    endpoint: slice?.address ?? null,
    paused: control?.wishes.paused ?? record?.paused ?? false,
    pauseReason: control?.pauseReason ?? null,
    pauseForMs: control?.wishes.pauseSpan?.forMs ?? null,
    failsafe: leading?.status.failsafe ?? false,
    size: valueOf(snapshot.size),
    request: control?.wishes.request ?? null,
    members: rowsOf(snapshot, leader),
    unseen: unseenOf(snapshot),
  } as const;
  const troubles = troublesOf(seen, statusesOf(views));
  return { ...seen, healthy: troubles.length === 0, troubles };
}

function statusesOf(views: readonly MemberView[]): readonly (MemberStatus & { member: string })[] {
  return views.map(({ report, status }) => ({ ...status, member: report.member }));
}

/** Whoever says so; of nobody who can be asked, the holder to whom the address leads. */
function leaderOf({ lease, slice, members }: Snapshot, views: readonly MemberView[]) {
  const [first] = views
    .filter(({ status }) => status.writable)
    .toSorted((a, b) => b.report.epoch - a.report.epoch);
  if (first !== undefined) return first.report.member;
  const holder = valueOf(lease)?.record.holder ?? null;
  const observed = valueOf(slice);
  const pod = podOf(holder);
  // Who answers and says that it does not lead, does not.
  if (pod === null || members.get(pod)?.kind === "read") return null;
  if (slice.kind === "forbidden" || slice.kind === "failed") return pod;
  return observed?.address && observed.holder === holder ? pod : null;
}

function rowsOf(snapshot: Snapshot, leader: string | null): readonly MemberRow[] {
  const pods = valueOf(snapshot.pods) ?? [];
  const leading = viewOf(snapshot, leader)?.report ?? null;
  const rows = pods.map((pod) => rowOf(pod, snapshot, { leader, leading, pods }));
  const size = valueOf(snapshot.size) ?? 0;
  const expected = Array.from({ length: size }, (_, ordinal) => `${snapshot.group}-${ordinal}`);
  const there = new Set(pods.map((pod) => pod.name));
  const canTell = snapshot.pods.kind === "read";
  const absent = canTell ? expected.filter((name) => !there.has(name)) : [];
  return [...rows, ...absent.map(absentRow)];
}

interface RowContext {
  readonly leader: string | null;
  readonly leading: MemberReport | null;
  readonly pods: readonly PodView[];
}

function rowOf(pod: PodView, snapshot: Snapshot, context: RowContext): MemberRow {
  const reading = snapshot.members.get(pod.name);
  const view = reading === undefined ? null : valueOf(reading);
  const { leader, leading, pods } = context;
  const shared = {
    name: pod.name,
    listed: isListed(snapshot, pod.name),
    restarts: pod.restarts,
    createdAt: pod.createdAt,
    terminating: pod.isTerminating,
    node: pod.node,
    ip: pod.ip,
    sidecarImage: pod.sidecarImage,
  };
  if (view === null) {
    const isAsked = reading !== undefined && reading.kind !== "forbidden";
    const state = isAsked ? "silent" : pod.isReady ? "ready" : "unready";
    const role = pod.name === leader ? "primary" : pod.isReady && !isAsked ? "replica" : "unknown";
    return { ...UNKNOWN, ...shared, role, state };
  }
  const { report, status } = view;
  const follows = pods.find((one) => one.ip !== null && one.ip === report.follows?.host);
  return {
    ...shared,
    role: report.promoted ? "primary" : report.redis === "down" ? "unknown" : "replica",
    state: report.redis,
    inSync: report.inSync || report.promoted,
    offset: report.offset,
    lagBytes: lagOf(report, leading),
    follows: follows?.name ?? report.follows?.host ?? null,
    priority: report.priority,
    ineligible: report.ineligible,
    version: status.redis?.version ?? null,
  };
}

/** A Lease without a list, such as one that somebody edited, tells nothing. */
function isListed({ lease }: Snapshot, member: string): boolean | null {
  const names = Object.keys(valueOf(lease)?.record.members ?? {});
  return names.length === 0 ? null : names.includes(member);
}

const UNKNOWN = {
  role: "unknown",
  inSync: null,
  offset: null,
  lagBytes: null,
  follows: null,
  priority: null,
  ineligible: null,
  version: null,
} as const;

function absentRow(name: string): MemberRow {
  const nothing = { restarts: null, createdAt: null, node: null, ip: null, sidecarImage: null };
  return { ...UNKNOWN, ...nothing, name, listed: null, state: "missing", terminating: false };
}

/** Offsets of two histories say nothing about one another. */
export function lagOf(report: MemberReport, leading: MemberReport | null): number | null {
  if (leading === null || report.replid === null || report.replid !== leading.replid) return null;
  return Math.max(0, leading.offset - report.offset);
}

function unseenOf(snapshot: Snapshot): readonly string[] {
  const { lease, slice, pods, size, control, members, namespace } = snapshot;
  const others = [lease, slice, pods, size, control].flatMap((reading) => {
    if (reading.kind === "forbidden") return [forbidden(reading.right, namespace)];
    return reading.kind === "failed" ? [`not read: ${reading.words}`] : [];
  });
  const denied = [...members.values()].find((reading) => reading.kind === "forbidden");
  if (denied?.kind !== "forbidden") return others;
  const words = `${forbidden(denied.right, namespace)}; shown is what Lease and pods tell`;
  return [...others, words];
}

export function viewOf(snapshot: Snapshot, member: string | null): MemberView | null {
  const reading = member === null ? undefined : snapshot.members.get(member);
  return reading === undefined ? null : valueOf(reading);
}

export function valueOf<T>(reading: Reading<T>): T | null {
  return reading.kind === "read" ? reading.value : null;
}

/** A foreign holder is shown as it is. */
export function podOf(identity: string | null): string | null {
  if (identity === null) return null;
  return parseIdentity(identity)?.pod ?? identity;
}
