/**
 * All processes of a group end at once (B18): while one has just come back, whose memory has all,
 * and whose files are still those of the time before its full sync (ADR 0008); and while one has
 * not yet what the leader and another one have.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { startGroup, type Group, type GroupMember } from "@leasehold/testkit/group";
import { command, lastWords, whole } from "./bench.ts";

const WHOLE_MS = 20_000;
/** How long each key holds up a rewrite. */
const REWRITE_MS = 3_000;
/** A record claims what was there 2 s before it, and is written each second. */
const CLAIMED_MS = 4_000;
let group: Group;

beforeAll(async () => {
  group = await startGroup({
    members: 3,
    password: "hush",
    // What a primary sends by itself would tell the claims of the members apart.
    redisConfiguration: ["repl-ping-replica-period 3600"],
  });
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(`${lastWords(group)}\n`);
});
afterAll(() => group?.close());

/** The first of equals leads where nothing tells the copies apart. */
async function firstFollows(): Promise<GroupMember> {
  const first = group.members[0] as GroupMember;
  if ((await whole(group, WHOLE_MS)) !== first) return first;
  await first.cutPower();
  await group.leader(WHOLE_MS, first);
  first.powerOn({ samePod: true });
  expect(await whole(group, WHOLE_MS)).not.toBe(first);
  return first;
}

async function isRewriting(member: GroupMember): Promise<boolean> {
  return String(await command(member, "INFO", "persistence")).includes("aof_rewrite_in_progress:1");
}

it("B18: a member that has just made a full sync does not win a tie by its older files", async () => {
  const first = await firstFollows();
  const leader = await whole(group, WHOLE_MS);
  await command(leader, "SET", "first", "1");
  await sleep(CLAIMED_MS);
  await first.cutPower();
  first.powerOn({ samePod: true });
  await group.until("Redis takes commands", 5_000, () =>
    command(first, "CONFIG", "SET", "rdb-key-save-delay", String(REWRITE_MS * 1000)).then(
      () => true,
      () => false,
    ),
  );
  await whole(group, WHOLE_MS);
  expect(await isRewriting(first)).toBe(true);
  await command(leader, "SET", "total", "cut");
  expect(await command(leader, "WAIT", "2", "1000")).toBe(2);
  expect(await valueAfterCut("total")).toBe("cut");
});

it("B18: of copies that claim the same that of the last leader leads", async () => {
  const first = await firstFollows();
  const leader = await whole(group, WHOLE_MS);
  await sleep(CLAIMED_MS);
  first.redis.signal("SIGSTOP");
  await command(leader, "SET", "confirmed", "by one");
  expect(await command(leader, "WAIT", "1", "1000")).toBe(1);
  expect(await valueAfterCut("confirmed")).toBe("by one");
});

async function valueAfterCut(key: string): Promise<unknown> {
  await Promise.all(group.members.map((member) => member.cutPower()));
  for (const member of group.members) member.powerOn({ samePod: true });
  return command(await whole(group, 2 * WHOLE_MS), "GET", key);
}
