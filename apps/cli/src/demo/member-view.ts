/**
 * What a member says of itself at `GET /v1/member`, as far as the demo shows it, and whether a
 * group of such members is whole.
 */
import type { MemberReport, MemberStatus } from "@leasehold/replication";

export interface MemberView {
  readonly epoch: number;
  /** Open for writes as the leader. */
  readonly promoted: boolean;
  readonly redis: MemberReport["redis"];
  readonly replid: string | null;
  readonly offset: number;
  readonly inSync: boolean;
  /** Why it may not lead, in words; null: it may. */
  readonly ineligible: string | null;
  /** Until its right to lead ends; 0: it has none. */
  readonly validMs: number;
  /** Names on the list of those that may lead. */
  readonly listed: readonly string[];
}

const TIMEOUT_MS = 500;

/** Null: it did not answer in time. */
export async function readMember(httpUrl: string): Promise<MemberView | null> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`${httpUrl}/v1/member`, { signal });
    if (!response.ok) return null;
    const { report, status } = (await response.json()) as MemberAnswer;
    const { epoch, promoted, redis, replid, offset, inSync, ineligible } = report;
    const { validMs, members: listed } = status;
    return { epoch, promoted, redis, replid, offset, inSync, ineligible, validMs, listed };
  } catch {
    return null;
  }
}

interface MemberAnswer {
  readonly report: MemberReport;
  readonly status: MemberStatus;
}

export interface NamedView {
  readonly name: string;
  readonly view: MemberView | null;
}

/**
 * What is missing, in words; null: one member leads, the address points to it, and all others
 * follow it in its epoch and replication history and may lead after it.
 */
export function whatIsMissing(
  members: readonly NamedView[],
  addressed: string | null,
): string | null {
  const silent = members.filter(({ view }) => view === null);
  if (silent.length > 0) return `no answer from ${namesOf(silent)}`;
  const leaders = members.filter(({ view }) => view?.promoted);
  const [leader] = leaders;
  if (leader === undefined) return "nobody leads";
  if (leaders.length > 1) return `${namesOf(leaders)} lead at the same time`;
  if (leader.name !== addressed) {
    return `${leader.name} leads, but the address points to ${addressed ?? "nobody"}`;
  }
  const behind = members.filter(({ name, view }) => name !== leader.name && !view?.inSync);
  if (behind.length > 0) return `not in sync with ${leader.name}: ${namesOf(behind)}`;
  const unlisted = members.filter(({ name }) => !leader.view?.listed.includes(name));
  if (unlisted.length > 0) return `not on the list: ${namesOf(unlisted)}`;
  const foreign = members.filter(
    ({ view }) => view?.replid !== leader.view?.replid || view?.epoch !== leader.view?.epoch,
  );
  if (foreign.length > 0) return `not in the epoch of ${leader.name}: ${namesOf(foreign)}`;
  return null;
}

function namesOf(members: readonly NamedView[]): string {
  return members.map(({ name }) => name).join(" and ");
}
