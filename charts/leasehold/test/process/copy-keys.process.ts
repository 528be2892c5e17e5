/** docs/migrate/copy-keys.sh, from real servers into a real group with users. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { startGroup, type Group } from "@leasehold/testkit/group";
import { connect } from "@leasehold/testkit/workload";
import { startRedisServer, type ServerAddress } from "./redis-server.ts";

const SCRIPT = fileURLToPath(new URL("../../../../docs/migrate/copy-keys.sh", import.meta.url));
const PASSWORDS = { source: 'old "secret\\ $HOME', target: "new 'secret' %s" };
const DAY_MS = 86_400_000;

let folder: string;
let group: Group;
let target: ServerAddress;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "leasehold-copy-"));
  const passwordFile = join(folder, "password");
  const internalKeyFile = join(folder, "key");
  writeFileSync(passwordFile, PASSWORDS.target);
  writeFileSync(internalKeyFile, "a key that only members know, long enough");
  const auth = () => ({ enabled: true, passwordFile, internalKeyFile });
  // A busy machine must not move the lead meanwhile.
  group = await startGroup({ members: 3, profile: "frugal", auth });
  const leader = await group.leader(30_000);
  target = { host: leader.realHost, port: leader.redisPort };
  await vi.waitFor(() => inTarget("SET", "first", "1"), 10_000);
});
beforeEach(async () => void (await inTarget("FLUSHALL")));
afterAll(async () => {
  await group?.close();
  rmSync(folder, { recursive: true });
});

type Words = readonly [string, ...(string | Buffer)[]];

async function call(address: ServerAddress, password: string, ...words: Words): Promise<unknown> {
  const [answer] = await callAll(address, { password, commands: [words] });
  return answer;
}

interface Calls {
  readonly password: string;
  readonly database?: number;
  readonly commands: readonly Words[];
}

/** Answers as bytes. */
async function callAll(address: ServerAddress, calls: Calls): Promise<readonly unknown[]> {
  const { password, database = 0, commands } = calls;
  const login = password === "" ? {} : { password };
  const redis = await connect({ address, deadlineMs: 5_000, ...login });
  if (!redis) throw new Error(`no connection to ${address.host}:${address.port}`);
  try {
    if (database > 0) await redis.select(database);
    const answers: unknown[] = [];
    for (const [command, ...rest] of commands) {
      answers.push(await redis.callBuffer(command, rest));
    }
    return answers.map((answer) => (Buffer.isBuffer(answer) ? String(answer) : answer));
  } finally {
    redis.disconnect();
  }
}

const inTarget = (...words: Words) => call(target, PASSWORDS.target, ...words);

interface Run {
  readonly code: number | null;
  readonly output: string;
}

/** Runs the script; a redis-cli in front of the real one notes its arguments, and may be slow. */
function copy(variables: Readonly<Record<string, string>>, shell = ["sh"]): Promise<Run> {
  const [program = "sh", ...options] = shell;
  const wrapper = join(folder, "redis-cli");
  const real = String(spawnSync("sh", ["-c", "command -v redis-cli"]).stdout).trim();
  const lines = [
    "#!/bin/sh",
    `printf '%s\\n' "$*" >>'${folder}/arguments'`,
    `${real} "$@" || exit`,
    '[ -z "$SLOW" ] || echo "(0.61s)"',
  ];
  writeFileSync(wrapper, `${lines.join("\n")}\n`);
  chmodSync(wrapper, 0o755);
  const child = spawn(program, [...options, SCRIPT], {
    env: {
      PATH: `${folder}${delimiter}${process.env["PATH"]}`,
      TARGET_HOST: target.host,
      TARGET_PORT: String(target.port),
      TARGET_PASSWORD: PASSWORDS.target,
      ...variables,
    },
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  child.stderr.on("data", (chunk) => (output += String(chunk)));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

async function startSource(...lines: readonly string[]) {
  const address = await startRedisServer([
    'save ""',
    `requirepass ${quoted(PASSWORDS.source)}`,
    `masterauth ${quoted(PASSWORDS.source)}`,
    ...lines,
  ]);
  await vi.waitFor(() => call(address, PASSWORDS.source, "PING"), 10_000);
  const from = {
    SOURCE_HOST: address.host,
    SOURCE_PORT: String(address.port),
    SOURCE_PASSWORD: PASSWORDS.source,
  };
  return { address, from };
}

function quoted(words: string): string {
  return JSON.stringify(words);
}

const BYTES = Buffer.from([...Array(256).keys()]);
const COUNT = 2_500;

async function fill(address: ServerAddress): Promise<void> {
  const many = Array.from({ length: 3_000 }, (_, i) => [`member ${i}`, `${i}`]).flat();
  const commands: readonly Words[] = [
    ["MSET", ...Array.from({ length: COUNT }, (_, i) => [`key:${i}`, `value ${i}`]).flat()],
    ["SET", BYTES, BYTES],
    ["SET", "lasts", "a day", "PX", String(DAY_MS)],
    ["SET", "", "the empty key"],
    ["RPUSH", "list", "b", "a", BYTES],
    ["SADD", "set", ...many],
    ["HSET", "hash", ...many],
    ["ZADD", "sorted", "1", "one", "-inf", "least", "2.5", "more"],
    ["XADD", "stream", "1-1", "field", "value"],
    ["XGROUP", "CREATE", "stream", "readers", "0"],
    ["SETBIT", "bits", "100", "1"],
    ["PFADD", "unique", "a", "b"],
  ];
  await callAll(address, { password: PASSWORDS.source, commands });
  const other: readonly Words[] = [["SET", "key:0", "in another database"]];
  await callAll(address, { password: PASSWORDS.source, database: 7, commands: other });
}

const SHELLS = [["sh"], ["bash", "--posix"], ["busybox", "sh"]].filter(
  ([program = ""]) => spawnSync(program, ["--help"]).error === undefined,
);

test.each(SHELLS)("copies all types, bytes, expiries and databases, in %s", async (...shell) => {
  const { address, from } = await startSource();
  await fill(address);
  const { code, output } = await copy({ ...from, BATCH: "100" }, shell);
  expect(output).toContain(`${COUNT + 11} keys copied, 0 failed`);
  expect(output).toContain("All equal.");
  expect(code).toBe(0);
  const questions: readonly Words[] = [
    ["DBSIZE"],
    ["GET", "key:1234"],
    ["GET", ""],
    ["LRANGE", "list", "0", "-1"],
    ["ZRANGE", "sorted", "0", "-1", "WITHSCORES"],
    ["XRANGE", "stream", "-", "+"],
    ["XINFO", "GROUPS", "stream"],
    ["HLEN", "hash"],
    ["HGET", "hash", "member 2999"],
    ["SCARD", "set"],
    ["BITCOUNT", "bits"],
    ["PFCOUNT", "unique"],
    ["GET", BYTES],
  ];
  const [theirs, ours] = await Promise.all([
    callAll(address, { password: PASSWORDS.source, commands: questions }),
    callAll(target, { password: PASSWORDS.target, commands: questions }),
  ]);
  expect(ours).toEqual(theirs);
  const left = Number(await inTarget("PTTL", "lasts"));
  expect(left).toBeGreaterThan(DAY_MS - 60_000);
  expect(left).toBeLessThanOrEqual(DAY_MS);
  const commands: readonly Words[] = [["GET", "key:0"]];
  const other = await callAll(target, { password: PASSWORDS.target, database: 7, commands });
  expect(other).toEqual(["in another database"]);
});

test("shellcheck has nothing to say", ({ skip }) => {
  const { error, stdout } = spawnSync("shellcheck", [SCRIPT], { encoding: "utf8" });
  if (error) skip("shellcheck is not installed");
  expect(stdout).toBe("");
});

test("copies back, with what an application of the group may do", async () => {
  const { address } = await startSource();
  await inTarget("SET", "written here", "value", "EX", "1000");
  const { code, output } = await copy({
    SOURCE_HOST: target.host,
    SOURCE_PORT: String(target.port),
    SOURCE_PASSWORD: PASSWORDS.target,
    TARGET_HOST: address.host,
    TARGET_PORT: String(address.port),
    TARGET_PASSWORD: PASSWORDS.source,
  });
  expect(output).toContain("1 keys copied, 0 failed");
  expect(code).toBe(0);
  expect(await call(address, PASSWORDS.source, "GET", "written here")).toBe("value");
});

test("takes what redis-cli says of a slow command for no answer", async () => {
  const { address, from } = await startSource();
  await call(address, PASSWORDS.source, "MSET", "one", "1", "two", "2");
  const { code, output } = await copy({ ...from, SLOW: "yes" });
  expect(output).toContain("2 keys copied, 0 failed");
  expect(code).toBe(0);
});

test("shows no password in the arguments of a program", async () => {
  const { address, from } = await startSource();
  await call(address, PASSWORDS.source, "SET", "key", "value");
  expect((await copy(from)).code).toBe(0);
  const shown = readFileSync(join(folder, "arguments"), "utf8");
  expect(shown).toContain(String(address.port));
  expect(shown).not.toContain("secret");
});

describe("copies nothing, and says why, when", () => {
  test("a password is wrong", async () => {
    const { address, from } = await startSource();
    await call(address, PASSWORDS.source, "SET", "key", "value");
    const source = await copy({ ...from, SOURCE_PASSWORD: "guessed" });
    expect(source.output).toMatch(/the source \S+ does not let us in.*WRONGPASS/);
    expect(source.code).toBe(2);
    const wrong = await copy({ ...from, TARGET_PASSWORD: "guessed" });
    expect(wrong.output).toMatch(/the target \S+ does not let us in.*WRONGPASS/);
    expect(wrong.code).toBe(2);
  });

  test("nobody is there", async () => {
    const { from } = await startSource();
    const { code, output } = await copy({ ...from, SOURCE_PORT: "1" });
    expect(output).toMatch(/the source \S+:1 does not let us in.*refused/);
    expect(code).toBe(2);
  });

  test("the target holds keys, unless they may be replaced", async () => {
    const { address, from } = await startSource();
    await call(address, PASSWORDS.source, "SET", "key", "new");
    await inTarget("MSET", "key", "old", "another", "kept");
    const refused = await copy(from);
    expect(refused.output).toContain("the target holds keys already, in database 0");
    expect(refused.code).toBe(2);
    const { code, output } = await copy({ ...from, REPLACE: "yes" });
    expect(output).toContain("All equal.");
    expect(code).toBe(0);
    expect(await inTarget("GET", "key")).toBe("new");
    expect(await inTarget("GET", "another")).toBe("kept");
  });
});

test("names each key that the target refuses, copies the others and ends with 1", async () => {
  const { address, from } = await startSource("databases 32");
  const commands: readonly Words[] = [["SET", "far", "away"]];
  await callAll(address, { password: PASSWORDS.source, database: 20, commands });
  await call(address, PASSWORDS.source, "SET", "near", "by");
  const { code, output } = await copy(from);
  expect(output).toMatch(/database 20, key "far": \(error\).*DB index is out of range/);
  expect(output).toContain("1 keys copied, 1 failed");
  expect(output).toContain("do not move the applications");
  expect(code).toBe(1);
  expect(await inTarget("GET", "near")).toBe("by");
});

test("says so when the source was written to meanwhile", async () => {
  const { address, from } = await startSource();
  await call(address, PASSWORDS.source, "SET", "key", "value");
  const end = new AbortController();
  const writer = (async () => {
    while (!end.signal.aborted) await call(address, PASSWORDS.source, "INCR", "counter");
  })();
  const { code, output } = await copy(from).finally(() => end.abort());
  await writer;
  expect(output).toContain("the source was written to meanwhile");
  expect(code).toBe(1);
});

test("finds the primary of a Sentinel's pair, and takes no replica for one", async () => {
  const primary = await startSource();
  const { host, port } = primary.address;
  const replica = await startSource(`replicaof ${host} ${port}`);
  await call(primary.address, PASSWORDS.source, "SET", "key", "value");
  const refused = await copy(replica.from);
  expect(refused.output).toMatch(/the source \S+ is a slave: name the primary/);
  expect(refused.code).toBe(2);

  const lines = [
    `sentinel monitor mymaster ${host} ${port} 1`,
    `sentinel auth-pass mymaster ${quoted(PASSWORDS.source)}`,
  ];
  const sentinel = await startRedisServer(lines, ["--sentinel"]);
  await vi.waitFor(() => call(sentinel, "", "PING"), 10_000);
  const { code, output } = await copy({
    SENTINEL_HOST: sentinel.host,
    SENTINEL_PORT: String(sentinel.port),
    SOURCE_PASSWORD: PASSWORDS.source,
  });
  expect(output).toContain("1 keys copied, 0 failed");
  expect(code).toBe(0);
  expect(await inTarget("GET", "key")).toBe("value");
});
