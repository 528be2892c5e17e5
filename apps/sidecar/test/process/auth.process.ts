/**
 * A group with auth.enabled, of real Redis servers: who may do what, and passwords that change
 * under writers. The tests share one group and run in their order.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startGroup, type Group, type GroupMember } from "@leasehold/testkit/group";
import { connect, createLoad } from "@leasehold/testkit/workload";
import { lastWords, logOf, viewOf, whole } from "./bench.ts";
import { mountSecret, type SecretVolume } from "./secret-volume.ts";

const OVERLAP_MS = 6_000;
/** `switchover.settleMs` and a moment. */
const SETTLE_MS = 2_500;
const WHOLE_MS = 15_000;
const SECRETS = { first: "app-first-secret", second: "app-second-secret", metrics: "m-secret" };
const KEYS = { first: "key-first-secret", second: "key-second-secret" };

/** One for each member: kubelets see a change at different times. */
let secrets: readonly SecretVolume[] = [];
let group: Group;

beforeAll(async () => {
  const files = { password: SECRETS.first, key: KEYS.first, metrics: SECRETS.metrics };
  secrets = [0, 1, 2].map(() => mountSecret(files));
  group = await startGroup({
    members: 3,
    engine: process.env["LEASEHOLD_TEST_REDIS"] ?? "redis-server",
    auth: (ordinal) => ({
      enabled: true,
      passwordFile: secretOf(ordinal).path("password"),
      internalKeyFile: secretOf(ordinal).path("key"),
      exporterFile: secretOf(ordinal).path("exporter.json"),
      users: [`metrics ${secretOf(ordinal).path("metrics")} -@all +info +ping +config|get`],
      rotationOverlapMs: OVERLAP_MS,
    }),
  });
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(`${lastWords(group)}\n`);
});
afterAll(async () => {
  await group?.close();
  for (const secret of secrets) secret.remove();
});

function secretOf(ordinal: number): SecretVolume {
  const secret = secrets[ordinal];
  if (!secret) throw new Error(`member ${ordinal} has no Secret`);
  return secret;
}

function setEverywhere(files: Readonly<Record<string, string>>): void {
  for (const secret of secrets) secret.set(files);
}

/** Redis' answer, or the first word of its refusal. */
async function ask(
  member: GroupMember,
  as: { readonly username?: string; readonly password: string },
  ...words: readonly [string, ...string[]]
): Promise<unknown> {
  const { password, ...user } = as;
  const address = { host: member.realHost, port: member.redisPort, ...user };
  const redis = await connect({ address, password, deadlineMs: 1_000 }).catch(() => null);
  if (!redis) return "shut out";
  try {
    return await redis.call(...words);
  } catch (error) {
    return String(error).replace(/^ReplyError: (\S+).*/s, "$1");
  } finally {
    redis.disconnect();
  }
}

const application = { password: SECRETS.first };

function requestSwitchover(to: GroupMember): void {
  const request = { id: randomUUID(), kind: "switchover", to: to.name, force: false };
  group.api.objects.put({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `${group.name}-control`, namespace: group.namespace },
    data: { request: JSON.stringify(request) },
  });
}

describe("a group with users", () => {
  it("has one for the exporter, with a password of each pod, which reads counts alone", async () => {
    await whole(group, WHOLE_MS);
    const passwords = group.members.map((_, ordinal) => {
      const text = readFileSync(secretOf(ordinal).path("exporter.json"), "utf8");
      const [[url, password] = []] = Object.entries(JSON.parse(text) as Record<string, string>);
      expect(url).toMatch(/^redis:\/\/localhost:\d+$/);
      return password ?? "";
    });
    expect(new Set(passwords).size).toBe(3);
    const [member] = group.members;
    const exporter = { username: "leasehold-exporter", password: passwords[0]! };
    for (const words of [["PING"], ["INFO", "ALL"], ["SLOWLOG", "GET"], ["LATENCY", "LATEST"]]) {
      const answer = await ask(member!, exporter, ...(words as [string, ...string[]]));
      expect([words[0], answer]).not.toEqual([words[0], "NOPERM"]);
      expect(answer).not.toBe("shut out");
    }
    for (const words of [
      ["GET", "k"],
      ["CONFIG", "GET", "masterauth"],
      ["PSYNC", "?", "-1"],
    ]) {
      expect(await ask(member!, exporter, ...(words as [string, ...string[]]))).toBe("NOPERM");
    }
  });

  it("elects, replicates and switches over", async () => {
    const old = await whole(group, WHOLE_MS);
    expect(await ask(old, application, "SET", "kept", "yes")).toBe("OK");
    expect(await ask(old, application, "WAIT", "2", "1000")).toBe(2);
    const to = group.members.find((member) => member !== old)!;
    requestSwitchover(to);
    expect(await group.leader(5_000, old)).toBe(to);
    expect(await whole(group, WHOLE_MS)).toBe(to);
    expect(await ask(to, application, "GET", "kept")).toBe("yes");
  });

  it.each([
    [["SET", "k", "v"], "OK"],
    [["ROLE"], "answer"],
    [["INFO"], "answer"],
    [["CLIENT", "LIST"], "answer"],
    [["CLIENT", "SETNAME", "app"], "OK"],
    [["CONFIG", "GET", "maxmemory"], "answer"],
    [["EVAL", "return 1", "0"], "answer"],
    [["PUBLISH", "channel", "words"], "answer"],
    [["FLUSHALL"], "OK"],
    [["SLOWLOG", "GET"], "answer"],
    [["REPLICAOF", "NO", "ONE"], "NOPERM"],
    [["SHUTDOWN", "NOSAVE"], "NOPERM"],
    [["CLIENT", "PAUSE", "1"], "NOPERM"],
    [["CLIENT", "KILL", "TYPE", "normal"], "NOPERM"],
    [["CONFIG", "SET", "maxmemory", "1"], "NOPERM"],
    [["CONFIG", "REWRITE"], "NOPERM"],
    [["MODULE", "LIST"], "NOPERM"],
    [["MONITOR"], "NOPERM"],
    [["ACL", "LIST"], "NOPERM"],
    [["PSYNC", "?", "-1"], "NOPERM"],
    [["FAILOVER"], "NOPERM"],
  ] as const)("lets an application do %s: %s", async (words, expected) => {
    const leader = await group.leader(WHOLE_MS);
    const [first, ...rest]: readonly string[] = words;
    const answer = await ask(leader, application, first ?? "", ...rest);
    if (expected === "answer") expect(["NOPERM", "shut out"]).not.toContain(answer);
    else expect(answer).toBe(expected);
  });

  it("lets further users do what their line says, and nobody in without a password", async () => {
    const leader = await group.leader(WHOLE_MS);
    const metrics = { username: "metrics", password: SECRETS.metrics };
    expect(await ask(leader, metrics, "PING")).toBe("PONG");
    expect(await ask(leader, metrics, "GET", "kept")).toBe("NOPERM");
    expect(await ask(leader, { ...metrics, password: SECRETS.first }, "PING")).toBe("shut out");
    expect(await ask(leader, { password: "" }, "PING")).toBe("NOAUTH");
    for (const username of ["leasehold", "leasehold-replication"]) {
      expect(await ask(leader, { username, password: KEYS.first }, "PING")).toBe("shut out");
    }
  });

  it.each([
    ["leasehold", "GET k"],
    ["leasehold", "SET k v"],
    ["leasehold", "KEYS *"],
    ["leasehold", "FLUSHALL"],
    ["leasehold", "EVAL return_1 0"],
    ["leasehold", "SHUTDOWN"],
    ["leasehold", "PUBLISH c words"],
    ["leasehold", "CONFIG REWRITE"],
    ["leasehold", "MODULE LIST"],
    ["leasehold", "PSYNC ? -1"],
    ["leasehold", "ACL LIST"],
    ["leasehold-replication", "GET k"],
    ["leasehold-replication", "INFO"],
    ["leasehold-replication", "REPLICAOF NO ONE"],
    ["leasehold-replication", "CONFIG GET masterauth"],
    ["leasehold-replication", "FLUSHALL"],
  ])("refuses %s: %s", async (username, line) => {
    const leader = await group.leader(WHOLE_MS);
    const passwords = JSON.parse(
      readFileSync(join(leader.runDirectory, "credentials.json"), "utf8"),
    ) as { secrets: { agentPassword: string; replicationPassword: string } };
    const { agentPassword, replicationPassword } = passwords.secrets;
    const password = username === "leasehold" ? agentPassword : replicationPassword;
    const [first = "", ...rest] = line.split(" ");
    expect(await ask(leader, { username, password }, first, ...rest)).toBe("NOPERM");
  });

  it("keeps every secret out of logs, arguments, environments and the configuration", async () => {
    const leader = await group.leader(WHOLE_MS);
    const conf = readFileSync(join(leader.runDirectory, "redis.conf"), "utf8");
    const masterauth = /^masterauth "(.+)"$/m.exec(conf)?.[1] ?? "";
    expect(masterauth).not.toBe("");
    const places = group.members.flatMap((member) => [
      readFileSync(member.logFiles.sidecar, "utf8"),
      readFileSync(member.logFiles.guard, "utf8"),
      readFileSync(join(member.runDirectory, "users.acl"), "utf8"),
      ...[member.sidecar.pid(), member.guard.pid(), member.redis.pid()].flatMap((pid) => [
        readFileSync(`/proc/${pid}/cmdline`, "utf8"),
        readFileSync(`/proc/${pid}/environ`, "utf8"),
      ]),
    ]);
    const member = await fetch(`${leader.httpUrl}/v1/member`);
    places.push(await member.text());
    const secrets = [...Object.values(SECRETS), ...Object.values(KEYS), masterauth];
    for (const secret of secrets) {
      expect(places.filter((text) => text.includes(secret))).toEqual([]);
    }
    expect(statSync(join(leader.runDirectory, "credentials.json")).mode & 0o777).toBe(0o600);
    expect(readdirSync(leader.runDirectory).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

describe("a changed Secret", () => {
  async function accepted(password: string): Promise<readonly unknown[]> {
    return Promise.all(group.members.map((member) => ask(member, { password }, "PING")));
  }

  it("reaches every member without an error, a lost connection or another leader", async () => {
    const leader = await whole(group, WHOLE_MS);
    // A member that led before cuts late clients for that long, whatever their password.
    await sleep(SETTLE_MS);
    const epoch = (await viewOf(leader))?.status.epoch;
    const address = { host: leader.realHost, port: leader.redisPort };
    const members = new Map([[leader.name, address]]);
    const load = createLoad("rotation");
    load.start({ name: "old", address, members, password: SECRETS.first });
    expect(await load.flowing(3_000)).toBe(true);
    const subscriber = await connect({ address, password: SECRETS.first, deadlineMs: 60_000 });
    await subscriber?.subscribe("channel");

    setEverywhere({ password: SECRETS.second, key: KEYS.second });
    await group.until("all members to accept both passwords", 10_000, async () =>
      (await accepted(SECRETS.second)).every((answer) => answer === "PONG"),
    );
    expect(await accepted(SECRETS.first)).toEqual(["PONG", "PONG", "PONG"]);
    await group.until("the old password to end", OVERLAP_MS + 15_000, async () =>
      (await accepted(SECRETS.first)).every((answer) => answer === "shut out"),
    );
    expect(await accepted(SECRETS.second)).toEqual(["PONG", "PONG", "PONG"]);
    expect(subscriber?.status).toBe("ready");
    subscriber?.disconnect();
    const { acknowledged, failed } = load.state();
    await load.stop();
    process.stdout.write(`rotation: ${acknowledged} writes acknowledged, ${failed} failed\n`);
    expect(failed).toBe(0);
    expect(group.currentLeader()).toBe(leader);
    expect((await viewOf(leader))?.status.epoch).toBe(epoch);
    for (const member of group.members) {
      expect(logOf(member).filter((line) => line.reason === "credentialsRotated")).toHaveLength(1);
    }
  });

  it("leaves a group whose replicas attach anew and whose leader can change", async () => {
    const old = await whole(group, WHOLE_MS);
    const to = group.members.find((member) => member !== old)!;
    requestSwitchover(to);
    expect(await group.leader(5_000, old)).toBe(to);
    await whole(group, WHOLE_MS);
    await old.restartPod(30_000);
    expect(await whole(group, WHOLE_MS)).toBe(to);
    expect(await ask(to, { password: SECRETS.second }, "SET", "after", "rotation")).toBe("OK");
    expect(await ask(to, { password: SECRETS.second }, "WAIT", "2", "2000")).toBe(2);
  });

  it("may reach a member late: nobody is shut out, and that member may even lead", async () => {
    const leader = await whole(group, WHOLE_MS);
    const late = group.members.find((member) => member !== leader)!;
    for (const member of group.members) {
      if (member !== late) secretOf(member.ordinal).set({ password: "third", key: "third key" });
    }
    const early = group.members.filter((member) => member !== late);
    const knowsBoth = async (member: GroupMember): Promise<boolean> =>
      (await ask(member, { password: "third" }, "PING")) === "PONG" &&
      (await ask(member, { password: SECRETS.second }, "PING")) === "PONG";
    await group.until("the early ones to accept both", 10_000, async () =>
      (await Promise.all(early.map(knowsBoth))).every(Boolean),
    );
    // Each in the middle of it: the leader's sidecar, the Redis of the late one, the lead itself.
    await leader.sidecar.stop("SIGKILL", 0);
    leader.sidecar.start();
    late.redis.signal("SIGKILL");
    await whole(group, WHOLE_MS);
    requestSwitchover(late);
    await group.until("the late one to lead", 10_000, () => group.currentLeader() === late);
    await whole(group, WHOLE_MS);
    await new Promise((resolve) => {
      setTimeout(resolve, OVERLAP_MS);
    });
    expect(await accepted(SECRETS.second)).toEqual(["PONG", "PONG", "PONG"]);
    secretOf(late.ordinal).set({ password: "third", key: "third key" });
    await group.until("the old password to end", OVERLAP_MS + 15_000, async () =>
      (await accepted(SECRETS.second)).every((answer) => answer === "shut out"),
    );
    expect(await whole(group, WHOLE_MS)).toBe(late);
    setEverywhere({ password: SECRETS.second });
    await group.until("the next password", 10_000, async () =>
      (await accepted(SECRETS.second)).every((answer) => answer === "PONG"),
    );
  });

  it("that came while everything was down keeps the old password for its time", async () => {
    await whole(group, WHOLE_MS);
    await Promise.all(group.members.map((member) => member.cutPower()));
    setEverywhere({ password: SECRETS.first });
    for (const member of group.members) member.powerOn({ samePod: true });
    await group.until("both passwords at every member", WHOLE_MS, async () => {
      const both = await Promise.all([SECRETS.first, SECRETS.second].map(accepted));
      return both.flat().every((answer) => answer === "PONG");
    });
    await whole(group, 2 * WHOLE_MS);
    await group.until("the old password to end", OVERLAP_MS + 15_000, async () =>
      (await accepted(SECRETS.second)).every((answer) => answer === "shut out"),
    );
    expect(await accepted(SECRETS.first)).toEqual(["PONG", "PONG", "PONG"]);
  });

  it("leaves the old password good at a member whose volume was emptied, which may lead", async () => {
    const leader = await whole(group, WHOLE_MS);
    const [emptied, late] = group.members.filter((member) => member !== leader);
    // All have retired the old one; while one has not come to the newest, no time passes.
    for (const member of group.members) {
      secretOf(member.ordinal).set({ password: member === late ? "interim" : "fourth" });
    }
    await group.until("the new password", 10_000, async () => {
      const answers = [ask(leader, { password: "fourth" }, "PING")];
      answers.push(ask(late!, { password: "interim" }, "PING"));
      return (await Promise.all(answers)).every((answer) => answer === "PONG");
    });
    await emptied!.deletePod(10_000);
    emptied!.wipeDisk();
    emptied!.powerOn();
    const isGood = async (password: string): Promise<boolean> =>
      (await ask(emptied!, { password }, "PING")) === "PONG";
    await group.until("the emptied one", WHOLE_MS, () => isGood("fourth"));
    const upMs = performance.now();
    await group.until("the old password there", 5_000, () => isGood(SECRETS.first));
    const learnedMs = Math.round(performance.now() - upMs);
    process.stdout.write(`rotation: learned ${learnedMs} ms after the newest one was good\n`);

    await whole(group, 2 * WHOLE_MS);
    requestSwitchover(emptied!);
    await group.until("it to lead", 10_000, () => group.currentLeader() === emptied);
    expect(await ask(emptied!, application, "SET", "old", "password")).toBe("OK");
    secretOf(late!.ordinal).set({ password: "fourth" });
    await group.until("the old password to end", OVERLAP_MS + 15_000, async () =>
      (await accepted(SECRETS.first)).every((answer) => answer === "shut out"),
    );
    expect(await accepted("fourth")).toEqual(["PONG", "PONG", "PONG"]);
  });
});

it("a group without an internal key leads, and says what that costs", async () => {
  const alone = await startGroup({
    members: 1,
    auth: () => ({
      enabled: true,
      passwordFile: secretOf(0).path("password"),
      internalKeyFile: secretOf(0).path("none"),
    }),
  });
  try {
    await whole(alone, WHOLE_MS);
    await alone.until("the Event", 5_000, () => {
      const events = alone.api.objects.list("events", alone.namespace);
      return events.some((event) => event["reason"] === "InternalKeyDerived");
    });
    const event = alone.api.objects
      .list("events", alone.namespace)
      .find(({ reason }) => reason === "InternalKeyDerived");
    expect(event?.["type"]).toBe("Warning");
  } finally {
    await alone.close();
  }
});
