/**
 * What the members say of themselves, for the public port: any sidecar's answer shows the whole
 * group, also that of a replica, whose core asks the others only when it has a reason to.
 *
 * Guarantees: at most one round is under way; nobody is asked while nobody reads; a report older
 * than `KEPT_MS` is not shown. Nothing is decided by these reports.
 */
import type { MemberReport, Peer } from "@leasehold/replication";
import type { PeerClient } from "../peers/peer-client.ts";

const FRESH_MS = 500;
const KEPT_MS = 3_000;
const TIMEOUT_MS = 250;

export interface GroupReports {
  /** Reports of the others that are not too old. */
  current(): readonly MemberReport[];
  /** How long ago the member was asked for its report, in milliseconds; 0: there is none. */
  ageMs(member: string): number;
  /** Asks the others, unless that was done a moment ago. Resolves when they have answered. */
  refresh(): Promise<void>;
}

export function createGroupReports(
  client: Pick<PeerClient, "report">,
  others: () => readonly Peer[],
): GroupReports {
  const kept = new Map<string, { readonly report: MemberReport; readonly atMs: number }>();
  let askedAtMs = -Infinity;
  let round: Promise<void> | null = null;

  const ask = async (peer: Peer): Promise<void> => {
    // From the question on: the answer says how it was in between.
    const atMs = performance.now();
    const report = await client.report(peer, TIMEOUT_MS);
    if (report) kept.set(peer.member, { report, atMs });
  };
  const askAll = async (): Promise<void> => {
    await Promise.all(others().map(ask));
  };
  return {
    current() {
      const names = new Set(others().map((peer) => peer.member));
      const oldestMs = performance.now() - KEPT_MS;
      for (const [name, { atMs }] of kept) {
        if (atMs < oldestMs || !names.has(name)) kept.delete(name);
      }
      return [...kept.values()].map(({ report }) => report);
    },
    ageMs(member) {
      const atMs = kept.get(member)?.atMs;
      return atMs === undefined ? 0 : performance.now() - atMs;
    },
    refresh() {
      if (round) return round;
      if (performance.now() - askedAtMs < FRESH_MS) return Promise.resolve();
      askedAtMs = performance.now();
      round = askAll().finally(() => {
        round = null;
      });
      return round;
    },
  };
}
