/**
 * The commands about a group, as processes with a kubeconfig, against real members on loopback.
 * The tests share one group, as a day of operation would; each begins with a whole one.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startGroup, type Group, type GroupMember } from "@leasehold/testkit/group";
import { readMember } from "../../src/demo/member-view.ts";
import type { GroupStatus } from "../../src/group/status.ts";
import type { ChangeResult } from "../../src/request/change.ts";
import { MAIN, run, start, type Ran, type Running } from "./leasehold.ts";

const WHOLE_MS = 20_000;
const STARTED_MS = 20_000;

let group: Group;
let directory: string;
let environment: Record<string, string>;

beforeAll(async () => {
  group = await startGroup({ members: 3 });
  directory = mkdtempSync(join(group.directory, "cli-"));
  const KUBECONFIG = join(directory, "kubeconfig");
  writeFileSync(KUBECONFIG, group.api.kubeconfig());
  environment = { KUBECONFIG };
});
afterAll(async () => {
  await group?.close();
  if (directory) rmSync(directory, { recursive: true, force: true });
});

const leasehold = (...args: readonly string[]): Promise<Ran> => run(args, { environment });

async function whole(): Promise<GroupMember> {
  await group.until("one leader, all others in sync", WHOLE_MS, async () => {
    const views = await Promise.all(group.members.map(({ httpUrl }) => readMember(httpUrl)));
    const [first] = views;
    const leaders = views.filter((view) => view?.promoted);
    const same = views.every((view) => view?.epoch === first?.epoch && view?.listed.length === 3);
    return same && leaders.length === 1 && views.every((view) => view?.promoted || view?.inSync);
  });
  return group.leader(1_000);
}

function controlData(): Record<string, string> {
  const name = `${group.name}-control`;
  const found = group.api.objects.get({
    resource: "configmaps",
    namespace: group.namespace,
    name,
  });
  return (found?.["data"] as Record<string, string> | undefined) ?? {};
}

/** The leader goes on by promise of the others, and does not see what is asked for. */
async function whileNobodyHears(act: (to: GroupMember) => Promise<void>): Promise<void> {
  const leader = await whole();
  leader.cutFromApi();
  try {
    await act(group.members.find((member) => member !== leader)!);
  } finally {
    leader.restoreApi();
  }
  expect(await whole()).toBe(leader);
}

/** Starts a command and waits until its request is there. */
async function startPending(...args: readonly string[]): Promise<Running> {
  const running = start(args, { environment });
  let early: Ran | null = null;
  void running.ended.then((ran) => (early = ran));
  // A process alone may take seconds to start on a machine that others use.
  const isThere = group.until("the request", STARTED_MS, () => {
    if (early !== null) throw new Error(`it has ended: ${JSON.stringify(early)}`);
    return controlData()["request"] !== undefined;
  });
  await isThere.catch((error: unknown) => {
    running.child.kill("SIGKILL");
    throw new Error(`${args.join(" ")}: ${JSON.stringify(controlData())}`, { cause: error });
  });
  return running;
}

it("status shows who leads and how the others follow, the same in the table and in JSON", async () => {
  const leader = await whole();
  const table = await leasehold("status");
  expect(table).toMatchObject({ code: 0, stderr: "" });
  expect(table.stdout).toContain(`orders in demo: ${leader.name} leads at ${leader.podHost}:6379`);
  const wide = await leasehold("status", "orders", "-o", "wide", "--check");
  expect(wide.code).toBe(0);
  expect(wide.stdout).toMatch(/VERSION/);
  const status = JSON.parse((await leasehold("status", "-o", "json")).stdout) as GroupStatus;
  expect(status).toMatchObject({
    apiVersion: "leasehold.dev/v1",
    leader: leader.name,
    holder: leader.name,
    endpoint: { host: leader.podHost },
    size: 3,
    healthy: true,
    troubles: [],
    unseen: [],
  });
  expect(status.members).toHaveLength(3);
  for (const member of status.members) {
    expect(member).toMatchObject({ state: "up", inSync: true, ineligible: null });
    expect(table.stdout).toContain(member.name);
  }
  expect((await leasehold("status", "-o", "name")).stdout).toBe(`${leader.name}\n`);
});

it("switchover --dry-run tells what would happen, and nothing happens", async () => {
  const leader = await whole();
  const ran = await leasehold("switchover", "--dry-run");
  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain("would hand over to");
  expect(controlData()["request"]).toBeUndefined();
  expect(group.currentLeader()).toBe(leader);
});

it("switchover moves the lead to the member that it names, and says how long writes stood", async () => {
  const old = await whole();
  const to = group.members.find((member) => member !== old)!;
  const ran = await leasehold("switchover", "--to", to.name, "-o", "json");
  expect(ran.code).toBe(0);
  const result = JSON.parse(ran.stdout) as ChangeResult;
  expect(result).toMatchObject({ outcome: "done", before: old.name, after: to.name });
  expect(result.writeGapMs).toBeGreaterThan(0);
  expect(result.writeGapMs).toBeLessThan(2_000);
  expect(group.currentLeader()).toBe(to);
  const history = await leasehold("history", "-l", "1");
  expect(history.stdout).toMatch(new RegExp(`switchover +${old.name} +${to.name} +\\d+ ms`));
  const again = await leasehold("switchover", "--to", to.name);
  expect(again).toMatchObject({ code: 0 });
  expect(again.stdout).toContain("leads already");
});

it("switchover is refused by the leader for a member that does not answer, and changes nothing", async () => {
  const leader = await whole();
  const to = group.members.find((member) => member !== leader)!;
  to.sidecar.signal("SIGSTOP");
  const ran = await leasehold("switchover", "--to", to.name, "--timeout", "10s");
  to.sidecar.signal("SIGCONT");
  expect(ran.code).toBe(3);
  expect(ran.stdout).toContain("is not in sync, or may not lead");
  expect(group.currentLeader()).toBe(leader);
  expect(controlData()["request"]).toBeUndefined();
});

it("names the members when a name is wrong, and leaves the group alone", async () => {
  await whole();
  const ran = await leasehold("switchover", "--to", "orders-9");
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain("orders-0, orders-1, orders-2");
  expect((await leasehold("status", "other")).code).toBe(2);
});

it("failover is refused while a member leads", async () => {
  const leader = await whole();
  const to = group.members.find((member) => member !== leader)!;
  const ran = await leasehold("failover", "--to", to.name, "--force", "--yes");
  expect(ran.code).toBe(3);
  expect(ran.stdout).toContain(`switchover --to ${to.name}`);
});

it("a request that nobody hears is withdrawn at its timeout, and when it is interrupted", async () => {
  await whileNobodyHears(async (to) => {
    const late = await leasehold("switchover", "--to", to.name, "--timeout", "1s");
    expect(late.code).toBe(4);
    expect(late.stdout).toMatch(/nobody answered in time \(request [\w-]+\)/);
    expect(controlData()["request"]).toBeUndefined();
  });
  await whileNobodyHears(async (to) => {
    const running = await startPending("switchover", "--to", to.name);
    const other = await leasehold("switchover");
    expect(other.code).toBe(3);
    expect(other.stdout).toContain("is not answered yet");
    running.child.kill("SIGINT");
    expect(await running.ended).toMatchObject({ code: 130 });
    expect(controlData()["request"]).toBeUndefined();
  });
});

it("a pause with a span ends by itself", async () => {
  const leader = await whole();
  const paused = await leasehold("pause", "--for", "2s");
  expect(paused).toMatchObject({ code: 0, stdout: `orders: paused, ${leader.name} knows it\n` });
  await group.until("the pause to be over", 5_000, () => controlData()["paused"] === undefined);
  expect(controlData()).not.toHaveProperty("pauseFor");
});

it("switchover --cancel withdraws what somebody else asked for", async () => {
  expect((await leasehold("switchover", "--cancel")).code).toBe(3);
  await whileNobodyHears(async () => {
    const running = await startPending("switchover", "--timeout", "10s");
    const ran = await leasehold("switchover", "--cancel");
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain("orders: withdrawn");
    expect((await running.ended).code).toBe(4);
  });
});

it("in a pause nobody takes over, and a forced failover is left to people", async () => {
  const leader = await whole();
  const to = group.members.find((member) => member !== leader)!;
  const paused = await leasehold("pause", "--reason", "moving racks");
  expect(paused).toMatchObject({ code: 0, stdout: `orders: paused, ${leader.name} knows it\n` });
  expect((await leasehold("status")).stdout).toContain("(moving racks)");

  leader.sidecar.signal("SIGSTOP");
  await group.until("the guard to end its Redis", 10_000, () => leader.redis.pid() === null);
  await delay(2_000);
  expect((await leasehold("status", "--check")).code).toBe(5);
  const gentle = await leasehold("failover", "--to", to.name);
  expect(gentle.code).toBe(3);
  expect(gentle.stdout).toContain("With --force");
  const forced = await leasehold("failover", "--to", to.name, "--force", "--yes");
  expect(forced.stderr).toContain("lost are 0 bytes");
  expect(forced.code).toBe(0);
  expect(group.currentLeader()).toBe(to);

  leader.sidecar.signal("SIGCONT");
  expect((await leasehold("resume")).code).toBe(0);
  expect(controlData()).not.toHaveProperty("paused");
  await whole();
});

it("is one file, too, that needs nothing beside it", async () => {
  const main = join(directory, "bundle", "leasehold.mjs");
  const build = resolve(MAIN, "../../build.ts");
  execFileSync(process.execPath, [build, main], { timeout: 30_000 });
  const version = await run(["version"], { main });
  expect(version).toMatchObject({ code: 0, stderr: "" });
  expect(version.stdout).toBe((await run(["version"])).stdout);
  const status = await run(["status", "-o", "name"], { main, environment });
  expect(status).toMatchObject({ code: 0, stderr: "" });
});

it("is a plugin of kubectl under its other name", async () => {
  const main = join(directory, "kubectl-leasehold");
  symlinkSync(MAIN, main);
  // Run as kubectl runs it: by its own name, so that it has to be executable.
  const help = execFileSync(main, ["status", "--help"], { encoding: "utf8", timeout: 30_000 });
  expect(help).toContain("Usage: kubectl leasehold status");
});

it("says that the API cannot be reached", async () => {
  const file = join(directory, "elsewhere");
  writeFileSync(file, group.api.kubeconfig().replace(group.api.url, "https://127.0.0.1:1"));
  const ran = await leasehold("status", "orders", "--kubeconfig", file);
  expect(ran.code).toBe(6);
  expect(ran.stderr).toContain("ECONNREFUSED");
});
