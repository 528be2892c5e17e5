/**
 * What a member says of itself at `GET /v1/member`, as far as the demo shows it, and whether a
 * group of such members is whole.
 */

export interface MemberView {
  readonly member: string;
  readonly epoch: number;
  /** Open for writes as the leader. */
  readonly promoted: boolean;
  readonly redis: "up" | "loading" | "down" | "gated";
  readonly replid: string | null;
  readonly offset: number;
  readonly inSync: boolean;
  /** Why it may not lead, in words. */
  readonly ineligible: string | null;
}

const TIMEOUT_MS = 500;

/** Null: it did not answer in time, or not in this form. */
export async function readMember(httpUrl: string): Promise<MemberView | null> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`${httpUrl}/v1/member`, { signal });
    const body: unknown = await response.json();
    return isMemberView(body) ? body : null;
  } catch {
    return null;
  }
}

function isMemberView(body: unknown): body is MemberView {
  if (typeof body !== "object" || body === null) return false;
  const types: Readonly<Record<string, string>> = {
    member: "string",
    epoch: "number",
    promoted: "boolean",
    redis: "string",
    offset: "number",
    inSync: "boolean",
  };
  return Object.entries(types).every(
    ([key, type]) => typeof (body as Record<string, unknown>)[key] === type,
  );
}

export interface NamedView {
  readonly name: string;
  readonly view: MemberView | null;
}

/**
 * What is missing, in words; null: one member leads, the address points to it, and all others
 * follow it in its epoch and replication history.
 */
export function whatIsMissing(
  members: readonly NamedView[],
  addressed: string | null,
): string | null {
  const silent = members.filter(({ view }) => view === null);
  if (silent.length > 0) return `${namesOf(silent)} does not answer`;
  const leaders = members.filter(({ view }) => view?.promoted);
  const [leader] = leaders;
  if (leader === undefined) return "nobody leads";
  if (leaders.length > 1) return `${namesOf(leaders)} lead at the same time`;
  if (leader.name !== addressed) {
    return `${leader.name} leads, but the address points to ${addressed ?? "nobody"}`;
  }
  const behind = members.filter(({ name, view }) => name !== leader.name && !view?.inSync);
  if (behind.length > 0) return `${namesOf(behind)} is not in sync with ${leader.name}`;
  const foreign = members.filter(
    ({ view }) => view?.replid !== leader.view?.replid || view?.epoch !== leader.view?.epoch,
  );
  if (foreign.length > 0) return `${namesOf(foreign)} is not in the epoch of ${leader.name}`;
  return null;
}

function namesOf(members: readonly NamedView[]): string {
  return members.map(({ name }) => name).join(" and ");
}
