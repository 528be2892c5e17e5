/** The commands in this process: what they print, which rights they use, how they end. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Identity, PolicyRule } from "@leasehold/testkit/fake-kubernetes-api";
import { COMMANDS } from "../src/commands.ts";
import { EXIT } from "../src/exit.ts";
import type { GroupStatus } from "../src/group/status.ts";
import { GROUP, NAMESPACE, putLease, startBench, type Bench, type Ran } from "./bench.ts";

/** Each command's own user, with exactly the rights that the table names. */
const USERS: readonly Identity[] = COMMANDS.map(({ name, rights }) => userWith(name, rights));
const SEES = COMMANDS.find(({ name }) => name === "status")!.rights;

function userWith(name: string, rights: readonly string[]): Identity {
  const rules: PolicyRule[] = rights.map((right) => {
    const [verb = "", qualified = ""] = right.split(" ");
    const [resource = "", ...group] = qualified.split(".");
    return { apiGroups: [group.join(".")], resources: [resource], verbs: [verb] };
  });
  return { name, role: { rules } };
}

let bench: Bench;
beforeEach(async () => {
  bench = await startBench([
    ...USERS,
    userWith(
      "blind",
      SEES.filter((right) => right !== "get pods/proxy"),
    ),
    userWith("nobody", []),
  ]);
});
afterEach(() => bench.close());

const run = (...args: readonly string[]): Promise<Ran> => bench.run(args);
const statusJson = async (): Promise<GroupStatus> =>
  JSON.parse((await run("status", "-o", "json")).stdout) as GroupStatus;

describe("rights", () => {
  const calls: readonly (readonly [string, readonly string[]])[] = [
    ["status", ["status", "--check"]],
    ["switchover", ["switchover", "--to", "orders-1"]],
    ["failover", ["failover", "--to", "orders-1", "--force", "--yes"]],
    ["pause", ["pause", "--timeout", "1500ms"]],
    ["resume", ["resume"]],
    ["history", ["history"]],
    ["uri", ["uri", "--with-password"]],
  ];

  test.each(calls)("%s needs what the table names, and uses all of it", async (name, args) => {
    if (name === "failover") bench.says("orders-0", null);
    bench.answersRequests(true);
    const used = new Set<string>();
    for (const exists of name === "resume" ? [true] : [false, true]) {
      if (exists) bench.put("ConfigMap", `${GROUP}-control`, { data: { paused: "false" } });
      const ran = await bench.run(args, { identity: name });
      expect(ran.stderr).not.toContain("forbidden");
      expect(ran.code).not.toBe(EXIT.unreachable);
    }
    for (const { identity, verb, group, resource } of bench.api.usage()) {
      if (identity === name) used.add(`${verb} ${resource}${group ? `.${group}` : ""}`);
    }
    const granted = COMMANDS.find((entry) => entry.name === name)!.rights;
    // A resume of a group that was never paused has nothing to create.
    const needed = granted.filter((right) => name !== "resume" || right !== "create configmaps");
    expect([...used].toSorted()).toEqual([...needed].toSorted());
  });

  test("that are missing are named, with code 6", async () => {
    for (const args of [["status"], ["status", GROUP], ["history", GROUP]]) {
      const ran = await bench.run(args, { identity: "nobody" });
      expect(ran).toMatchObject({ code: 6, stdout: "" });
      expect(ran.stderr).toMatch(/has to grant `(list|get) (leases\.coord|configmaps)/);
    }
    const ran = await bench.run(["pause"], { identity: "status" });
    expect(ran.code).toBe(6);
    expect(ran.stderr).toContain("`create configmaps`");
  });

  test("to ask members may be missing: status tells what Lease and pods tell", async () => {
    const ran = await bench.run(["status", "-o", "json"], { identity: "blind" });
    const status = JSON.parse(ran.stdout) as GroupStatus;
    expect(status).toMatchObject({ leader: "orders-0", healthy: true });
    expect(status.unseen.join()).toContain("get pods/proxy");
    expect(status.members.map(({ role, state }) => `${role} ${state}`)).toEqual([
      "primary ready",
      "replica ready",
      "replica ready",
    ]);
    const table = await bench.run(["status"], { identity: "blind" });
    expect(table.stdout).toMatch(/\norders-1 +replica +ready +- +- +- +- +1 /);
    const dry = await bench.run(["switchover", "--dry-run"], { identity: "blind" });
    expect(dry.code).toBe(6);
    expect(dry.stderr).toContain("`get pods/proxy`");
  });
});

describe("status", () => {
  test("prints one line per member, below who leads", async () => {
    const { code, stdout } = await run("status", "-o", "wide");
    expect(code).toBe(0);
    const [head, facts, , columns, first] = stdout.split("\n");
    expect(head).toBe("orders in shop: orders-0 leads at 127.0.0.1:6379 under epoch 7");
    expect(facts).toMatch(/^write orders.shop, read orders-read.shop, 3 members, Lease renewed/);
    expect(columns).toMatch(/^MEMBER +ROLE +STATE +OFFSET +LAG +LINK .* VERSION +SIDECAR$/);
    expect(first).toMatch(/^orders-0 +primary +in sync +1000 +0 .*8\.0\.1 +leasehold\/sidecar:1/);
  });

  test("says the same in YAML as in JSON, and the leader alone as a name", async () => {
    expect((await run("status", "-o", "yaml")).stdout).toContain("leader: orders-0");
    expect((await run("status", "-o", "name")).stdout).toBe("orders-0\n");
  });

  test.each([
    ["nobody leads", { report: { promoted: false }, status: { writable: false, trouble: "why" } }],
    ["orders-0 is loading", { report: { redis: "loading" } }],
    ["leads by promise", { status: { failsafe: true } }],
  ])("--check ends with 5 when %s", async (words, change) => {
    bench.says("orders-0", change);
    const ran = await run("status", "--check");
    expect(ran.code).toBe(5);
    expect(ran.stdout).toContain(words);
  });

  test("--check ends with 5 when two take writes, and says it first", async () => {
    bench.says("orders-1", { report: { promoted: true }, status: { writable: true } });
    const { healthy, troubles } = await statusJson();
    expect(healthy).toBe(false);
    expect(troubles[0]).toBe("orders-0 and orders-1 take writes at the same time");
  });

  test("shows a member without a pod, one that is silent, and one that lags", async () => {
    bench.api.objects.remove({ resource: "pods", namespace: NAMESPACE, name: "orders-2" });
    bench.says("orders-1", null);
    const { members, troubles } = await statusJson();
    expect(members[1]).toMatchObject({ state: "silent", inSync: null });
    expect(members[2]).toMatchObject({ name: "orders-2", state: "missing" });
    expect(troubles).toEqual(["orders-1 does not answer", "orders-2 has no pod"]);
    bench.says("orders-1", { report: { inSync: false } });
    expect((await statusJson()).members[1]).toMatchObject({ lagBytes: 100, inSync: false });
  });

  test("a member in sync that the Lease does not list yet is no second copy that may lead", async () => {
    const lease = { member: "orders-0", epoch: 7 };
    putLease(bench.put, { ...lease, listed: ["orders-0", "orders-1"] });
    const { healthy, members, troubles } = await statusJson();
    expect(healthy).toBe(false);
    expect(members.map((member) => member.listed)).toEqual([true, true, false]);
    expect(troubles).toEqual(["orders-2 is not on the list in the Lease yet"]);
    putLease(bench.put, { ...lease, listed: [] });
    expect((await statusJson()).troubles).toEqual([]);
  });

  test("tells of a wish that waits, and of a pause with its reason", async () => {
    const request = JSON.stringify({ id: "7", kind: "switchover", to: "orders-1" });
    const data = { request, paused: "true", pauseReason: "racks" };
    bench.put("ConfigMap", `${GROUP}-control`, { data });
    const { stdout } = await run("status");
    expect(stdout).toContain("request 7 waits: switchover to orders-1");
    expect(stdout).toContain("paused: no automatic change of leader (racks)");
  });

  test("--watch shows each change once, and ends with 130", async () => {
    const abort = new AbortController();
    const printed = (stdout: string): void => {
      if (stdout.includes("orders-1")) return abort.abort();
      bench.says("orders-0", { status: { writable: false } });
      bench.says("orders-1", { report: { promoted: true }, status: { writable: true } });
    };
    const args = ["status", "-o", "name", "--watch"];
    const ran = await bench.run(args, { signal: abort.signal, printed });
    expect(ran).toMatchObject({ code: 130, stdout: "orders-0\norders-1\n" });
  });

  test("of a group that is not there, or not meant, says what to name", async () => {
    expect(await run("status", "other")).toMatchObject({ code: 2 });
    const labels = { "leasehold.dev/group": "second" };
    bench.put("Lease", "second", { metadata: { labels }, spec: {} });
    const two = await run("status");
    expect(two.code).toBe(2);
    expect(two.stderr).toContain("name one: orders, second");
    const none = await run("status", "-n", "elsewhere");
    expect(none.stderr).toContain("no group in namespace elsewhere");
  });
});

describe("switchover", () => {
  test("prints the way, and the gap that the history tells", async () => {
    bench.answersRequests(true);
    const ran = await run("switchover", "--to", "orders-1");
    expect(ran).toEqual({
      code: 0,
      stdout: "orders: orders-0 -> orders-1, no writes for about 42 ms\n",
      stderr: "",
    });
  });

  test("ends with 3 when the leader refuses", async () => {
    bench.answersRequests(false);
    const ran = await run("switchover", "--to", "orders-1", "-o", "json");
    expect(ran.code).toBe(3);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      outcome: "refused",
      words: "orders-1 is not in sync, or may not lead",
      after: "orders-0",
    });
  });

  test.each([
    ["lags", { report: { inSync: false } }, "orders-1 is not in sync"],
    ["may not lead", { report: { ineligible: "priority 0" } }, "may not lead: priority 0"],
    ["ends", { report: { terminating: true } }, "orders-1 is terminating"],
  ])("is not even asked for when the member %s", async (_what, change, words) => {
    bench.says("orders-1", change);
    for (const more of [[], ["--dry-run"]]) {
      const ran = await run("switchover", "--to", "orders-1", ...more);
      expect(ran.code).toBe(3);
      expect(ran.stdout).toContain(words);
    }
    expect(bench.control()).toEqual({});
  });

  test("ends with 4 when nobody answers, and leaves no request behind", async () => {
    const ran = await run("switchover", "--timeout", "200ms");
    expect(ran.code).toBe(4);
    expect(ran.stdout).toMatch(/^orders: withdrawn, nobody answered in time \(request .{36}\)\n$/);
    expect(bench.control()).toEqual({});
  });

  test("says that a request may be there, when neither it nor its end was answered", async () => {
    const scope = { verbs: ["create", "patch"], resource: "configmaps" } as const;
    const end = bench.api.faults.inject({ kind: "cutAnswer" }, scope);
    const ran = await run("switchover", "--to", "orders-1", "--timeout", "500ms");
    end();
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(/request .{36} may have arrived: .*`switchover --cancel`/);
  });

  test("never replaces somebody else's request", async () => {
    const request = JSON.stringify({ id: "7", kind: "switchover", to: null });
    bench.put("ConfigMap", `${GROUP}-control`, { data: { request } });
    const ran = await run("switchover");
    expect(ran.code).toBe(3);
    expect(ran.stdout).toContain("request 7 (switchover to any member) is not answered yet");
    expect(bench.control()).toEqual({ request });
    expect(await run("switchover", "--cancel")).toMatchObject({ code: 0 });
    expect(bench.control()).toEqual({});
  });
});

describe("failover", () => {
  const force = ["failover", "--to", "orders-1", "--force"];
  beforeEach(() => bench.says("orders-0", null));

  test("names the loss, and wants the group's name typed", async () => {
    bench.answersRequests(true);
    const wrong = await bench.run(force, { stdin: "order\n" });
    expect(wrong.code).toBe(3);
    expect(wrong.stderr).toContain("lost are 100 bytes, and whatever the last leader wrote");
    expect(bench.control()).toEqual({});
    const right = await bench.run(force, { stdin: "orders\n" });
    expect(right).toMatchObject({ code: 0 });
    expect(right.stdout).toContain("orders-0 -> orders-1");
  });

  test("without --force only says what it would cost", async () => {
    const ran = await run("failover", "--to", "orders-1");
    expect(ran.code).toBe(3);
    expect(ran.stdout).toContain("With --force orders-1 leads; lost are 100 bytes");
    bench.says("orders-1", { report: { position: { epoch: 1, offset: 1, replid: "other" } } });
    expect((await run("failover", "--to", "orders-1")).stdout).toContain("another history");
  });
});

describe("cutover", () => {
  const follows = { report: { promoted: false }, status: { writable: false } };

  test("asks who follows the source, and says who leads then", async () => {
    bench.says("orders-0", follows);
    bench.answersRequests(true);
    const ran = await run("cutover", "--writers-stopped", "-o", "json");
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      request: { kind: "cutover", to: null, force: true, alone: false },
      outcome: "done",
      before: null,
    });
  });

  test("is not even asked for while a member leads", async () => {
    const ran = await run("cutover");
    expect(ran.code).toBe(4);
    expect(ran.stdout).toContain("undone, orders-0 leads already: leave the source closed");
    expect(bench.control()).toEqual({});
  });
});

describe("pause", () => {
  test("ends with 4 while the leader has not taken note, and resume lifts it", async () => {
    const ran = await run("pause", "--reason", "racks", "--timeout", "200ms");
    expect(ran.code).toBe(4);
    expect(bench.control()).toEqual({ paused: "true", pauseReason: "racks" });
    const short = bench.run(["pause", "--for", "500ms"]);
    await vi.waitFor(() => expect(bench.control()).toHaveProperty("pauseFor"), 10_000);
    bench.put("ConfigMap", `${GROUP}-control`, { data: {} });
    expect(await short).toMatchObject({ code: 0 });
    await run("pause", "--for", "1h30m", "--timeout", "200ms");
    expect(JSON.parse(bench.control()["pauseFor"]!)).toMatchObject({ forMs: 5_400_000 });
    expect((await run("status")).stdout).toContain("paused for 1h30m: no automatic change");
    expect(await run("resume")).toMatchObject({ code: 0 });
    expect(bench.control()).toEqual({});
  });
});

describe("uri", () => {
  test("is the address with TLS where the Service says so, and with the password on demand", async () => {
    expect((await run("uri")).stdout).toBe("redis://orders.shop:6380\n");
    const secret = await run("uri", "--with-password");
    expect(secret.stdout).toBe("redis://:p%2Fw@orders.shop:6380\n");
    expect((await run("uri", "--read")).stderr).toContain("no Service orders-read");
    bench.put("Service", `${GROUP}-read`, {
      metadata: { annotations: { "leasehold.dev/tls": "true" } },
      spec: { ports: [{ name: "redis", port: 6379 }] },
    });
    expect((await run("uri", "--read")).stdout).toBe("rediss://orders-read.shop:6379\n");
    const wrong = await run("uri", "--with-password", "--secret-key", "x");
    expect(wrong.stderr).toContain("no key x in Secret orders");
  });

  test("is none that nobody has told, when the API cannot be reached", async () => {
    const endOutage = bench.api.faults.outage();
    const ran = await run("uri", GROUP, "--timeout", "500ms");
    endOutage();
    expect(ran).toMatchObject({ code: 6, stdout: "" });
  });
});

describe("history", () => {
  test("of a group that is not there is an error, and of one that never changed is none", async () => {
    bench.api.objects.remove({
      resource: "configmaps",
      namespace: NAMESPACE,
      name: `${GROUP}-history`,
    });
    expect((await run("history")).stdout).toContain("no change of leader is recorded");
    const ran = await run("history", "orderz");
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expect(ran.stderr).toContain("no group orderz in namespace shop");
  });
});

describe("the command line", () => {
  test("tells versions and help, and refuses what it does not know with 2", async () => {
    expect(await run("version")).toMatchObject({ code: 0 });
    expect(await run("--help")).toMatchObject({ code: 0, stderr: "" });
    for (const args of [["frobnicate"], ["status", "-o", "xml"], ["status", "--timeout", "soon"]]) {
      expect(await run(...args)).toMatchObject({ code: 2, stdout: "" });
    }
  });

  test("says which kubeconfig it misses", async () => {
    const environment = { KUBECONFIG: "/nowhere/config" };
    const ran = await bench.run(["status"], { environment });
    expect(ran.code).toBe(6);
    expect(ran.stderr).toContain("--kubeconfig");
    // Inside a pod its service account counts; there is none here.
    const inPod = { ...environment, KUBERNETES_SERVICE_HOST: "192.0.2.1" };
    const asPod = await bench.run(["status"], { environment: inPod });
    expect(asPod.code).toBe(6);
    expect(asPod.stderr).toContain("serviceaccount");
  });
});
