/**
 * What is wrong with a group, in words, worst first; nothing: it is healthy. `status --check` and
 * the table's last lines. Pure. A pause is a wish, no trouble.
 */
import type { MemberStatus } from "@leasehold/replication";
import type { GroupStatus, MemberRow } from "./status.ts";

type Seen = Omit<GroupStatus, "healthy" | "troubles">;

/** `statuses` are of the members that answered. */
export function troublesOf(
  seen: Seen,
  statuses: readonly (MemberStatus & { readonly member: string })[],
): readonly string[] {
  const writable = statuses.filter((status) => status.writable).map(({ member }) => member);
  return [
    ...(writable.length > 1 ? [`${writable.join(" and ")} take writes at the same time`] : []),
    ...leaderTroubles(seen, statuses),
    ...seen.members.map(troubleOfMember).filter((words) => words !== null),
    ...(seen.failsafe ? ["the leader cannot reach the Kubernetes API, and leads by promise"] : []),
    // Without the pods nothing above can be told.
    ...(seen.members.length === 0 ? ["no member is seen"] : []),
  ];
}

function leaderTroubles(
  { leader, holder, endpoint, members, unseen }: Seen,
  statuses: readonly (MemberStatus & { readonly member: string })[],
): readonly string[] {
  if (leader === null) {
    const reasons = statuses.filter(({ trouble }) => trouble !== null);
    const held = holder === null ? "" : ` (the Lease names ${holder})`;
    const why = reasons.map(({ member, trouble }) => `${member}: ${trouble}`);
    return [`nobody leads${held}`, ...why];
  }
  if (endpoint === null) {
    return unseen.length > 0 ? [] : ["the write address leads nowhere"];
  }
  const ip = members.find(({ name }) => name === leader)?.ip ?? null;
  if (ip === null || ip === endpoint.host) return [];
  return [`the write address leads to ${endpoint.host}, not to ${leader} (${ip})`];
}

function troubleOfMember(member: MemberRow): string | null {
  const { name, state, inSync, listed, terminating } = member;
  if (state === "missing") return `${name} has no pod`;
  if (terminating) return `${name} is terminating`;
  if (state === "silent") return `${name} does not answer`;
  if (state === "unready") return `${name} is not ready`;
  if (state !== "up" && state !== "ready") return `${name} is ${state}`;
  if (inSync === false) return `${name} is not in sync`;
  return listed === false ? `${name} is not on the list in the Lease yet` : null;
}
