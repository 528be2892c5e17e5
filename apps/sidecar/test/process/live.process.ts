/** Configuration that changes while a real Redis runs, as a ConfigMap does under a pod. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { startGroup, type Group, type GroupMember } from "@leasehold/testkit/group";
import { command, lastWords, logOf, viewOf, whole } from "./bench.ts";

const WHOLE_MS = 15_000;

let group: Group;
beforeAll(async () => {
  group = await startGroup({ members: 3, redisConfiguration: ["hz 10", "databases 16"] });
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(`${lastWords(group)}\n`);
});
afterAll(() => group?.close());

function reconfigure(member: GroupMember, replacements: Readonly<Record<string, string>>): void {
  const path = join(member.dataDirectory, "..", "sidecar.json");
  const settings = JSON.parse(readFileSync(path, "utf8")) as {
    redis: { configuration: string[] };
  };
  settings.redis.configuration = settings.redis.configuration.map(
    (line) => replacements[line] ?? line,
  );
  writeFileSync(path, JSON.stringify(settings));
}

async function valueOf(member: GroupMember, name: string): Promise<unknown> {
  const reply = (await command(member, "CONFIG", "GET", name)) as readonly unknown[];
  return reply[1];
}

function said(member: GroupMember, reason: string): readonly (string | undefined)[] {
  return logOf(member)
    .filter((line) => line.reason === reason)
    .map(({ words }) => words);
}

it("sets what Redis takes, says what needs a restart, and moves no leader", async () => {
  const leader = await whole(group, WHOLE_MS);
  const epoch = (await viewOf(leader))?.status.epoch;
  for (const member of group.members) {
    reconfigure(member, { "hz 10": "hz 25", "databases 16": "databases 32" });
  }
  await group.until("the new value everywhere", 10_000, async () => {
    const values = await Promise.all(group.members.map((member) => valueOf(member, "hz")));
    return values.every((value) => value === "25");
  });
  await group.until("the word about the rest", 5_000, () =>
    group.members.every((member) => said(member, "restartRequired").length === 1),
  );
  expect(said(leader, "configApplied")).toEqual(["in force now: hz"]);
  expect(said(leader, "restartRequired")[0]).toContain(": databases");
  expect(await valueOf(leader, "databases")).toBe("16");
  expect((await viewOf(leader))?.status.epoch).toBe(epoch);
  const metrics = await (await fetch(`${leader.httpUrl}/metrics`)).text();
  expect(metrics).toContain("leasehold_config_pending_restart 1");
});

it("keeps it for a Redis that restarts, also after a restart of the sidecar", async () => {
  const leader = await whole(group, WHOLE_MS);
  const replica = group.members.find((member) => member !== leader)!;
  await replica.sidecar.stop("SIGKILL", 0);
  reconfigure(replica, { "hz 25": "hz 30" });
  replica.sidecar.start();
  await group.until("the value that came meanwhile", 10_000, async () => {
    return (await valueOf(replica, "hz")) === "30";
  });
  const pid = replica.redis.pid();
  replica.redis.signal("SIGKILL");
  await group.until("another Redis", 5_000, () => ![null, pid].includes(replica.redis.pid()));
  await whole(group, WHOLE_MS);
  expect(await valueOf(replica, "hz")).toBe("30");
  expect(await valueOf(replica, "databases")).toBe("16");
});
