/**
 * Who may be read: real processes whose stream stands still, whose primary is busy, or whose group
 * has lost its leader (docs/failure-modes.md, E17 and F19). The tests share one group; each begins
 * with a whole one. What a kubelet asks is asked here, each fifth of a second.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { startGroup, type Group, type GroupMember } from "@leasehold/testkit/group";
import { command, lastWords, takesWrites, viewOf, whole } from "./bench.ts";

let group: Group;

beforeAll(async () => {
  group = await startGroup({ members: 3 });
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(`${lastWords(group)}\n`);
});
afterAll(() => group?.close());

const WHOLE_MS = 20_000;
/** R until the Lease tells of it, D, a probe, and a busy machine. */
const STALE_MS = 1_000 + 5_000 + 500 + 2_500;
/** A kubelet takes a member off the read Service after two misses, 2 s apart. */
const MISSES_MS = 2_000;

async function isReady(member: GroupMember): Promise<boolean> {
  const answer = await fetch(`${member.httpUrl}/probe/ready`, {
    signal: AbortSignal.timeout(1_000),
  });
  return answer.status === 200;
}

function othersOf(leader: GroupMember): readonly [GroupMember, GroupMember] {
  const [one, two] = group.members.filter((member) => member !== leader);
  if (!one || !two) throw new Error("the group has three members");
  return [one, two];
}

/** Longest time for which a member was not ready, in milliseconds, until `ends` says so. */
async function longestUnready(
  members: readonly GroupMember[],
  ends: () => Promise<boolean>,
): Promise<number> {
  const since = new Map<GroupMember, number>();
  let longestMs = 0;
  while (!(await ends())) {
    for (const member of members) {
      const nowMs = performance.now();
      if (await isReady(member)) since.delete(member);
      else since.set(member, since.get(member) ?? nowMs);
      longestMs = Math.max(longestMs, nowMs - (since.get(member) ?? nowMs));
    }
    await sleep(200);
  }
  return longestMs;
}

it("E17: a replica that alone hears nothing from its primary is not read, and stays on the list", async () => {
  const leader = await whole(group, WHOLE_MS);
  const [deaf, other] = othersOf(leader);
  deaf.cutFromPeers("inward");
  const cutMs = performance.now();
  let otherWasReady = true;
  await group.until("the deaf one not to be ready", STALE_MS, async () => {
    await takesWrites(leader);
    otherWasReady &&= await isReady(other);
    return !(await isReady(deaf));
  });
  const staleMs = performance.now() - cutMs;
  const linked = String(await command(deaf, "INFO", "replication"));
  const view = await viewOf(deaf);
  deaf.restorePeers();
  await group.until("it to be ready again", WHOLE_MS, () => isReady(deaf));
  process.stdout.write(`not read after ${staleMs.toFixed(0)} ms without a byte\n`);
  expect(otherWasReady).toBe(true);
  // Redis itself would say so after 60 s.
  expect(linked).toContain("master_link_status:up");
  expect(view).toMatchObject({ report: { inSync: false, ineligible: null } });
  expect(view?.status.members).toHaveLength(3);
  expect(await whole(group, WHOLE_MS)).toBe(leader);
});

it("a leader's Redis that is busy for long costs no replica its readiness", async () => {
  const leader = await whole(group, WHOLE_MS);
  const script = command(leader, "EVAL", "while true do end", "0").catch(() => undefined);
  const endMs = performance.now() + 9_000;
  const unreadyMs = await longestUnready(othersOf(leader), async () => {
    return performance.now() > endMs;
  });
  const killed = await command(leader, "SCRIPT", "KILL");
  await script;
  expect(killed).toBe("OK");
  expect(unreadyMs).toBe(0);
});

it("while nobody leads the replicas are read on", async () => {
  const old = await whole(group, WHOLE_MS);
  const others = othersOf(old);
  const lostMs = performance.now();
  await old.cutPower();
  const unreadyMs = await longestUnready(others, async () => {
    const leader = group.currentLeader();
    return leader !== null && leader !== old && (await takesWrites(leader));
  });
  const gapMs = performance.now() - lostMs;
  old.powerOn({ samePod: true });
  process.stdout.write(`unready for ${unreadyMs.toFixed(0)} of ${gapMs.toFixed(0)} ms\n`);
  expect(gapMs).toBeGreaterThan(MISSES_MS);
  expect(unreadyMs).toBeLessThan(MISSES_MS);
});
