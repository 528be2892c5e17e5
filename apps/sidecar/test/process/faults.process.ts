/**
 * Real processes under faults that only time and fences heal: scenarios B3, B5, B12, B18, E1 and
 * E7 (docs/failure-modes.md). All share one group; each begins with a whole one. The bounds of
 * docs/protocol.md are measured by the demo; here they only have to hold on a busy machine.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { startGroup, type Group, type GroupMember } from "@leasehold/testkit/group";
import { command, lastWords, takesWrites, viewOf, whole } from "./bench.ts";

let group: Group;

beforeAll(async () => {
  group = await startGroup({ members: 3, password: "hush" });
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(`${lastWords(group)}\n`);
});
afterAll(() => group?.close());

const WHOLE_MS = 20_000;
const TAKE_OVER_MS = 12_000;

/**
 * Asks all members for a write again and again until somebody else leads; says how often this
 * one and another took it in the same round.
 */
async function roundsWithTwo(one: GroupMember): Promise<number> {
  const others = group.members.filter((member) => member !== one);
  const deadline = performance.now() + TAKE_OVER_MS;
  let rounds = 0;
  while (group.currentLeader() === one) {
    if (performance.now() > deadline) throw new Error("nobody took over");
    const [own, ...rest] = await Promise.all([one, ...others].map(takesWrites));
    if (own && rest.some(Boolean)) rounds += 1;
  }
  return rounds;
}

/** `T` stopped, `Z` and `X` ended, `gone`; see proc(5), /proc/pid/stat. */
function stateOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).charAt(0);
  } catch {
    return "gone";
  }
}

it("B5: a Redis that hangs is killed by its guard before another one leads", async () => {
  const old = await whole(group, WHOLE_MS);
  const pid = old.redis.pid() ?? 0;
  old.redis.signal("SIGSTOP");
  await group.until("its Redis stands still", 2000, () => stateOf(pid) === "T");
  const next = await group.leader(TAKE_OVER_MS, old);
  expect(next).not.toBe(old);
  // The kernel's word: the guard's status line may follow a moment later.
  expect(["gone", "Z", "X"]).toContain(stateOf(pid));
});

it("B12: a sidecar that freezes costs its Redis the lead before another one takes it", async () => {
  const old = await whole(group, WHOLE_MS);
  old.sidecar.signal("SIGSTOP");
  const both = await roundsWithTwo(old);
  old.sidecar.signal("SIGCONT");
  expect(both).toBe(0);
});

it("E7: a leader cut off from API and members ends writes before another one begins", async () => {
  const old = await whole(group, WHOLE_MS);
  await command(old, "SET", "before", "cut");
  expect(await command(old, "WAIT", "2", "1000")).toBe(2);
  old.cutFromApi();
  old.cutFromPeers();
  const both = await roundsWithTwo(old);
  const topology = await fetch(`${old.httpUrl}/v1/topology`);
  old.restoreApi();
  old.restorePeers();
  // It heard of nobody else, and does not send clients to itself.
  expect(await topology.json()).toMatchObject({ leader: null });
  expect(both).toBe(0);
  const next = await group.leader(TAKE_OVER_MS, old);
  expect(await command(next, "GET", "before")).toBe("cut");
});

it("E1: without the API the leader goes on, by promise of the others", async () => {
  const leader = await whole(group, WHOLE_MS);
  const end = group.api.faults.outage();
  let refused = 0;
  const deadline = performance.now() + 8_000;
  while (performance.now() < deadline) if (!(await takesWrites(leader))) refused += 1;
  const view = await viewOf(leader);
  end();
  expect(refused).toBe(0);
  expect(view?.status.failsafe).toBe(true);
  expect(await whole(group, WHOLE_MS)).toBe(leader);
});

it("a leader whose container alone is stopped hands over, and is a member again", async () => {
  const old = await whole(group, WHOLE_MS);
  writeFileSync(join(old.runDirectory, "stop"), "");
  await group.until("the hook to be let go", 10_000, () =>
    existsSync(join(old.runDirectory, "stopped")),
  );
  expect(await old.guard.stop("SIGTERM", 5_000)).toMatchObject({ code: 0 });
  old.guard.start();
  expect(await whole(group, WHOLE_MS)).not.toBe(old);
  // The hook of the pod's own end has to wait anew.
  expect(existsSync(join(old.runDirectory, "stopped"))).toBe(false);
});

it("B18: when all members restart at once, a member with the data leads", async () => {
  const leader = await whole(group, WHOLE_MS);
  await command(leader, "SET", "total", "restart");
  expect(await command(leader, "WAIT", "2", "1000")).toBe(2);
  // What everysec has not written yet may be lost by a power cut, on all of them.
  await group.until("the disks of all members", 5_000, async () => {
    const infos = await Promise.all(
      group.members.map((member) => command(member, "INFO", "persistence")),
    );
    return infos.every((info) => String(info).includes("aof_pending_bio_fsync:0"));
  });
  await Promise.all(group.members.map((member) => member.cutPower()));
  for (const member of group.members) member.powerOn({ samePod: true });
  const next = await whole(group, 2 * WHOLE_MS);
  expect(await command(next, "GET", "total")).toBe("restart");
});

it("B3: a leader that returns with an empty disk does not lead, and wipes nobody", async () => {
  const old = await whole(group, WHOLE_MS);
  await command(old, "SET", "not", "wiped");
  expect(await command(old, "WAIT", "2", "1000")).toBe(2);
  await old.cutPower();
  old.wipeDisk();
  old.powerOn({ samePod: true });
  const next = await whole(group, 2 * WHOLE_MS);
  expect(next).not.toBe(old);
  const values = await Promise.all(group.members.map((member) => command(member, "GET", "not")));
  expect(values).toEqual(["wiped", "wiped", "wiped"]);
});
