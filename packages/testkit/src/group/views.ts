/** What the members of a group say of themselves, asked over HTTP as anybody may. */
import type { MemberReport, MemberStatus } from "@leasehold/replication";
import type { GroupMember } from "./group-member.ts";
import type { Group } from "./group.ts";

export interface MemberView {
  readonly report: MemberReport;
  readonly status: MemberStatus;
}

/** `/v1/member`; null: the sidecar does not answer. */
export async function viewOf(member: GroupMember): Promise<MemberView | null> {
  try {
    const answer = await fetch(`${member.httpUrl}/v1/member`, {
      signal: AbortSignal.timeout(1_000),
    });
    return (await answer.json()) as MemberView;
  } catch {
    return null;
  }
}

/**
 * Resolves to the leader once it takes writes and all others are in sync with it and on its list:
 * only then any of them may be asked to take over. Rejects after `timeoutMs`.
 */
export async function whole(group: Group, timeoutMs: number): Promise<GroupMember> {
  let leading: GroupMember | null = null;
  await group.until("one leader, all others in sync", timeoutMs, async () => {
    const views = await Promise.all(group.members.map(viewOf));
    leading = group.members.find((_, index) => views[index]?.status.writable) ?? null;
    const listed = views.every((view) => view?.status.members.length === group.members.length);
    const synced = listed && views.every((view) => view?.status.inSync);
    return synced && leading !== null && leading === group.currentLeader();
  });
  if (!leading) throw new Error("nobody leads");
  return leading;
}
