/**
 * The scripts that `helm test` runs, against a group of real sidecars and Redis servers with the
 * chart's settings. A balancer plays the Services; the command line is played by a file, since what
 * counts here is what the scripts conclude.
 */
import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CONTROL_KEY, controlName } from "@leasehold/kubernetes";
import { startBalancer, type Balancer, type Target } from "@leasehold/testkit/balancer";
import { startGroup, type Group } from "@leasehold/testkit/group";
import { CHART, find, GROUP, render, type Rendered } from "../render.ts";

const PASSWORD = "secret of the test";

let folder: string;
let group: Group;
let write: Balancer;
let read: Balancer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "leasehold-helm-test-"));
  const settings = await chartSettings();
  const { election, durability, switchover, coldStart, persistence, redis } = settings;
  group = await startGroup({
    members: 3,
    password: PASSWORD,
    redisConfiguration: redis.configuration,
    settings: { election, durability, switchover, coldStart, persistence },
  });
  write = await startBalancer({ host: "127.0.0.1", port: 0 });
  read = await startBalancer({ host: "127.0.0.1", port: 0 });
  group.api.objects.listen(() => write.setTarget(addressOf(group.currentLeader())));
  await group.leader(10_000);
  read.setTarget(addressOf(group.members[0]!));
  writeFileSync(join(folder, "password"), `${PASSWORD}\n`);
}, 60_000);

afterAll(async () => {
  await Promise.all([write?.close(), read?.close(), group?.close()]);
  rmSync(folder, { recursive: true, force: true });
});

async function chartSettings(): Promise<Rendered> {
  const values = { config: { "maxmemory-policy": "noeviction", hz: 20 } };
  const { data } = find(await render({ values }), "ConfigMap", GROUP);
  return JSON.parse(data["sidecar.json"]);
}

function addressOf(member: { realHost: string; redisPort: number } | null): Target | null {
  return member && { host: member.realHost, port: member.redisPort };
}

interface Ended {
  readonly code: number;
  readonly words: string;
}

/** Runs one of the scripts as its pod would. */
function runScript(name: string, changes: Rendered = {}): Promise<Ended> {
  const target = {
    group: group.name,
    namespace: group.namespace,
    write: write.address,
    read: read.address,
    members: group.members.map(({ realHost, redisPort }) => ({
      host: realHost,
      port: redisPort,
      httpPort: 8008,
    })),
    patienceMs: 3_000,
    passwordFile: join(folder, "password"),
    tls: null,
    ...changes,
  };
  const file = join(folder, "target.json");
  writeFileSync(file, JSON.stringify(target));
  const env = { ...process.env, PATH: [folder, process.env["PATH"]].join(delimiter) };
  const args = [join(CHART, "files/tests", `${name}.mjs`), file];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env, timeout: 90_000 }, (error, stdout) => {
      resolve({ code: Number(error?.code ?? 0), words: stdout });
    });
  });
}

/** What `leasehold switchover` does, by a program of that name that this process answers. */
function placeCommandLine(answer: (asked: () => boolean, done: () => void) => Promise<void>) {
  const asked = join(folder, "asked");
  const done = join(folder, "done");
  for (const file of [asked, done]) rmSync(file, { force: true });
  const program = `#!/bin/sh\necho "$@" >${asked}\nwhile [ ! -e ${done} ]; do sleep 0.05; done\n`;
  writeFileSync(join(folder, "leasehold"), program);
  chmodSync(join(folder, "leasehold"), 0o755);
  return answer(
    () => existsSync(asked),
    () => writeFileSync(done, ""),
  );
}

test("the test of writes passes on a whole group", async () => {
  const { code, words } = await runScript("write");
  expect(words).toMatch(/^passed: 10 writes, confirmed by [12] of 2 replicas; orders-\d leads/);
  expect(code).toBe(0);
});

test("the test of writes fails where the write address leads to a replica", async () => {
  const replica = group.members.find((member) => member !== group.currentLeader())!;
  const { code, words } = await runScript("write", { write: addressOf(replica) });
  expect(words).toMatch(/^failed: .*leads to a slave/);
  expect(code).toBe(1);
});

test("the test of reads passes on a whole group", async () => {
  const { code, words } = await runScript("read");
  expect(words).toMatch(/^passed: seen at 127\.0\.0\.1, 127\./);
  expect(code).toBe(0);
});

test("the test of reads fails for a member that does not answer, and names it", async () => {
  const nobody = { host: "127.0.0.1", port: 1, httpPort: 1 };
  const { code, words } = await runScript("read", { members: [nobody] });
  expect(words).toContain("failed: 127.0.0.1:1 cannot be reached");
  expect(code).toBe(1);
});

test("the test of a switchover passes when the lead moves and no write is lost", async () => {
  const old = await group.leader(10_000);
  const commandLine = placeCommandLine(async (asked, done) => {
    await group.until("the script to ask for a switchover", 30_000, asked);
    const request = { id: "helm-test", kind: "switchover", to: null, force: false };
    group.api.objects.put({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: controlName(group.name), namespace: group.namespace },
      data: { [CONTROL_KEY.request]: JSON.stringify(request) },
    });
    await group.leader(10_000, old);
    done();
  });
  const [{ code, words }] = await Promise.all([runScript("switchover"), commandLine]);
  expect(words).toMatch(/passed: from orders-\d to orders-\d; \d+ writes of 20 writers, none lost/);
  expect(code).toBe(0);
});

test("the test of a switchover fails when nobody else leads afterwards", async () => {
  const commandLine = placeCommandLine(async (asked, done) => {
    await group.until("the script to ask for a switchover", 30_000, asked);
    done();
  });
  const [{ code, words }] = await Promise.all([runScript("switchover"), commandLine]);
  expect(words).toMatch(/failed: orders-\d led, and nobody else does now/);
  expect(code).toBe(1);
});
