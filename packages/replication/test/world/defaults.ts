/** What a scenario starts from unless it says otherwise: member r-0 of a group of three. */
import type { LeaseRecord } from "@leasehold/election";
import type {
  MemberConfig,
  MemberRecord,
  MemberReport,
  PodsObservation,
  RedisInfo,
  SliceObservation,
  StartFacts,
} from "../../src/index.ts";

export const GROUP = "r";
export const GATE = { host: "127.0.0.1", port: 1 };

export const CONFIG: MemberConfig = {
  group: GROUP,
  leaseDurationMs: 5000,
  renewIntervalMs: 1000,
  hangTimeoutMs: 2000,
  busyTimeoutMs: 15_000,
  maxLagBytes: 16 * 1024 * 1024,
  source: null,
  read: { maxLagBytes: 16 * 1024 * 1024, maxStalenessMs: 60_000 },
  switchoverTimeoutMs: 10_000,
  maxPauseMs: 500,
  settleMs: 2000,
  coldStartWaitMs: 60_000,
  onMissing: "nobody",
  failsafe: { enabled: true, alone: true },
  minReplicasToWrite: 0,
  mode: "aof",
  priority: 100,
  deletionGraceForProxyMs: 0,
};

export function addressOf(member: string): { readonly host: string; readonly port: number } {
  return { host: `10.0.0.${member.slice(2)}`, port: 6379 };
}

export function identityOf(member: string): string {
  return `${member}_u${member.slice(2)}_n${member.slice(2)}`;
}

export function startFacts(): StartFacts {
  return {
    at: { monotonicMs: 1000, bootMs: 1000 },
    member: "r-0",
    podUid: "u0",
    nonce: "n0",
    ordinal: 0,
    address: addressOf("r-0"),
    peerPort: 8009,
    revision: "1",
    record: null,
    permit: null,
    guard: { bootId: "g0", state: "running", pid: 7, uptimeSkewMs: 0 },
  };
}

export function freshInfo(change: Partial<RedisInfo> = {}): RedisInfo {
  return {
    runId: "run-0",
    pid: 7,
    role: "replica",
    replid: "fresh-0",
    replid2: null,
    secondOffset: -1,
    offset: 0,
    keys: 0,
    loading: false,
    upstream: GATE,
    linkUp: false,
    syncing: false,
    rewriting: false,
    connectedReplicas: 0,
    diskOk: true,
    refusedWrites: 0,
    version: "7.0.15",
    usage: null,
    ...change,
  };
}

/** A replica of `upstream` that is in sync under the first epoch. */
export function followerInfo(upstream: string, change: Partial<RedisInfo> = {}): RedisInfo {
  return freshInfo({
    replid: "rho-1",
    offset: 1000,
    keys: 10,
    upstream: addressOf(upstream),
    linkUp: true,
    ...change,
  });
}

export function emptySlice(): SliceObservation {
  return { version: null, epoch: 0, holder: null, lineage: [], address: null };
}

export function sliceOf(member: string, epoch: number): SliceObservation {
  const lineage = LINEAGE;
  return { version: "s1", epoch, holder: identityOf(member), lineage, address: addressOf(member) };
}

export const LINEAGE = [{ epoch: 1, replid: "rho-1", startOffset: 0, parent: null }];

export function podsOf(replicas: number): PodsObservation {
  const pods = Array.from({ length: replicas }, (_, ordinal) => ({
    member: `r-${ordinal}`,
    uid: `u${ordinal}`,
    address: addressOf(`r-${ordinal}`),
    peerPort: 8009,
    terminating: false,
    graceMs: null,
    dead: false,
    revision: "1",
  }));
  return { pods, replicas, updateRevision: "1" };
}

/** A Lease in which `holder` leads epoch 1 and all three are listed. */
export function leaseOf(holder: string, change: Partial<LeaseRecord> = {}): LeaseRecord {
  const position = { epoch: 1, offset: 1000, replid: "rho-1" };
  const note = { attached: true, position };
  return {
    holder: identityOf(holder),
    durationMs: 5000,
    transitions: 0,
    epoch: 1,
    attempt: `n${holder.slice(2)}.1`,
    lineage: LINEAGE,
    members: { "r-0": note, "r-1": note, "r-2": note },
    position: { ...position, runId: `run-${holder.slice(2)}` },
    handover: null,
    released: null,
    paused: false,
    ...change,
  };
}

export function baseReport(member: string): MemberReport {
  return {
    member,
    identity: identityOf(member),
    podUid: `u${member.slice(2)}`,
    address: addressOf(member),
    epoch: 1,
    leads: false,
    promoted: false,
    relays: false,
    redis: "up",
    runId: `run-${member.slice(2)}`,
    replid: "rho-1",
    position: { epoch: 1, offset: 1000, replid: "rho-1" },
    offset: 1000,
    empty: false,
    inSync: true,
    follows: addressOf("r-0"),
    ineligible: null,
    coldStart: false,
    boundUntilMs: 0,
    apiAgeMs: 100,
    hasRecord: true,
    recordMembers: ["r-0", "r-1", "r-2"],
    recordEpoch: 1,
    lineage: LINEAGE,
    terminating: false,
    priority: 100,
    revision: "1",
  };
}

/** What r-0 wrote on its volume when it led epoch 1: the last second is not surely on disk. */
export function baseRecord(change: Partial<MemberRecord> = {}): MemberRecord {
  const position = { epoch: 1, offset: 1000, replid: "rho-1" };
  const members = ["r-0", "r-1", "r-2"];
  const addresses = members.slice(1).map((name) => {
    return [name, { host: addressOf(name).host, peerPort: 8009 }] as const;
  });
  return {
    runId: "run-0",
    cold: false,
    mode: "aof",
    keys: 10,
    epoch: 1,
    reservedEpoch: 1,
    lineage: LINEAGE,
    position,
    durablePosition: { ...position, offset: 900 },
    clean: false,
    syncing: false,
    outlived: false,
    leads: false,
    members,
    membersSent: members,
    holder: identityOf("r-0"),
    leaderPosition: { ...position, runId: "run-0" },
    addresses: Object.fromEntries(addresses),
    ...change,
  };
}
