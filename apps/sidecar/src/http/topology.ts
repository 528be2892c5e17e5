/**
 * What the public port says about the group: one snapshot, built from what the core knows.
 *
 * Pure. The leader's address is the one that the slice publishes, and only while the slice is of
 * the present holder; a member that knows no better says that there is no leader. Ages are
 * relative, so that no reader compares clocks.
 */
import { parseIdentity, type LineageEntry } from "@leasehold/election";
import type { MemberReport, MemberStatus, RedisAddress } from "@leasehold/replication";
import { PROBE_INTERVAL_MS } from "../deadlines.ts";

export interface TopologyFacts {
  readonly group: string;
  readonly namespace: string;
  readonly status: MemberStatus;
  readonly self: MemberReport;
  /** Of the other members, as far as they answer. */
  readonly others: readonly MemberReport[];
  /** How long ago one of the others was asked for its report. */
  readonly ageMs: (member: string) => number;
}

export interface Topology {
  readonly apiVersion: "leasehold.dev/v1";
  readonly group: string;
  readonly namespace: string;
  readonly reportedBy: string;
  readonly epoch: number;
  readonly leader: {
    readonly id: string;
    readonly host: string;
    readonly port: number;
    /** Of the lead that published this address; `epoch` may be a newer one that was heard of. */
    readonly epoch: number;
    /** The promotions up to this one, published with its address. */
    readonly lineage: readonly LineageEntry[];
  } | null;
  /** Who holds the Lease, promoted or not. */
  readonly holder: string | null;
  readonly paused: boolean;
  readonly failsafe: boolean;
  /** In words, why there is no leader or no candidate; null: all well. */
  readonly trouble: string | null;
  /** Members on the list; 0 while unknown. */
  readonly expectedNodes: number;
  readonly nodes: readonly TopologyNode[];
}

export interface TopologyNode {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly role: "primary" | "replica" | "unknown";
  readonly state: "up" | "loading" | "down";
  readonly inSync: boolean;
  readonly replicationId: string | null;
  readonly offset: number;
  /** At most, as long as its Redis answers its sidecar at once. */
  readonly observedMsAgo: number;
  /** Bytes behind the leader's newest known offset; null: another history, or unknown. */
  readonly lagBytes: number | null;
  readonly ineligible: string | null;
}

export function topologyOf(facts: TopologyFacts): Topology {
  const { group, namespace, status, self, others } = facts;
  const reports = [self, ...others.filter((report) => report.member !== self.member)];
  const leader = leaderOf(status);
  const leading = reports.find((report) => report.member === leader?.id) ?? null;
  return {
    apiVersion: "leasehold.dev/v1",
    group,
    namespace,
    reportedBy: self.member,
    epoch: status.epoch,
    leader,
    holder: status.holder,
    paused: status.paused,
    failsafe: status.failsafe,
    trouble: status.trouble,
    expectedNodes: status.members.length,
    nodes: reports
      .map((report) => nodeOf(report, leading, report === self ? 0 : facts.ageMs(report.member)))
      .toSorted((a, b) => a.id.localeCompare(b.id)),
  };
}

/** What of a topology is worth telling at once; offsets move all the time. */
export function stableTextOf(topology: Topology): string {
  const nodes = topology.nodes.map(
    ({ offset: _offset, observedMsAgo: _age, lagBytes: _lag, ...node }) => node,
  );
  return JSON.stringify({ ...topology, nodes });
}

function leaderOf(status: MemberStatus): Topology["leader"] {
  const { slice, holder } = status;
  // Cut off, it hears of no successor: whoever reads this may reach somebody who has.
  if (status.isOver) return null;
  if (!slice?.address || holder === null || slice.holder !== holder) return null;
  const id = parseIdentity(holder)?.pod ?? holder;
  return { id, ...addressOf(slice.address), epoch: slice.epoch, lineage: slice.lineage };
}

function nodeOf(report: MemberReport, leading: MemberReport | null, ageMs: number): TopologyNode {
  const isUp = report.redis === "up" || report.redis === "gated";
  return {
    id: report.member,
    ...addressOf(report.address),
    role: report.promoted ? "primary" : isUp ? "replica" : "unknown",
    state: isUp ? "up" : report.redis === "loading" ? "loading" : "down",
    inSync: report.inSync,
    replicationId: report.replid,
    offset: report.offset,
    observedMsAgo: Math.ceil(ageMs) + PROBE_INTERVAL_MS.inSync,
    lagBytes: lagOf(report, leading),
    ineligible: report.ineligible,
  };
}

function lagOf(report: MemberReport, leading: MemberReport | null): number | null {
  if (!leading || report.replid === null || report.replid !== leading.replid) return null;
  return Math.max(0, leading.offset - report.offset);
}

function addressOf({ host, port }: RedisAddress): RedisAddress {
  return { host, port };
}
