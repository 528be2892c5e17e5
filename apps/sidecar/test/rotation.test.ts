import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AdminOutcome } from "@leasehold/redis";
import { hashOf } from "../src/auth/credentials.ts";
import { startRotation, type Others, type Rotation } from "../src/auth/rotation.ts";
import { readCredentials } from "../src/auth/secrets.ts";
import { openVault, type Vault } from "../src/auth/vault.ts";
import type { ToldPassword } from "../src/peers/messages.ts";
import type { Settings } from "../src/settings/schema.ts";
import { readSettings } from "../src/settings/settings.ts";

const OVERLAP_MS = 300;
const TIMES = { pollMs: 5, patienceMs: 40 };
const SILENT = pino({ level: "silent" });

let folder = "";
let vault: Vault;
let settings: Settings;
let rotation: Rotation | null = null;
/** What Redis was told, one line a command. */
let told: string[] = [];
let redis: AdminOutcome = { ok: true };
let announced: string[] = [];
/** What the other member says; `same` as ours. */
let other: "same" | "old" | "refused" | "silent" = "same";

/** What the other member says that it accepts. */
let accepted: readonly ToldPassword[] = [];

let silentAfterwards = false;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "leasehold-rotation-"));
  for (const name of ["run", "data"]) mkdirSync(join(folder, name));
  write("password", "first");
  write("key", "key");
  const outcome = await readSettings({
    fileText: JSON.stringify({
      group: "orders",
      namespace: "shop",
      member: { name: "orders-0", podUid: "u", host: "10.0.0.7" },
      directories: { run: join(folder, "run"), data: join(folder, "data") },
      auth: {
        ...{ enabled: true, passwordFile: join(folder, "password") },
        ...{ internalKeyFile: join(folder, "key"), rotationOverlapMs: OVERLAP_MS },
      },
    }),
    environment: {},
  });
  if (!outcome.ok) throw new Error(outcome.errors.join("\n"));
  settings = outcome.settings;
  told = [];
  announced = [];
  redis = { ok: true };
  other = "same";
  silentAfterwards = false;
  accepted = [];
});
afterEach(async () => {
  rotation?.stop();
  // A turn that is under way still writes.
  await new Promise((resolve) => {
    setTimeout(resolve, 4 * TIMES.pollMs);
  });
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), `${text}\n`);
}

/** A sidecar that starts, beside what its predecessor left. */
async function start(): Promise<void> {
  rotation?.stop();
  vault = await openVault({
    settings,
    credentials: await readCredentials(settings),
    log: SILENT,
    renderRedisConf: () => undefined,
  });
  await vault.write();
  rotation = startRotation({
    settings,
    vault,
    log: SILENT,
    times: TIMES,
    admin: {
      run(commands) {
        if (redis.ok) told.push(...commands.map((words) => words.join(" ")));
        return Promise.resolve(redis);
      },
    },
    askOthers: () => Promise.resolve(new Map([["orders-1", answerOfOther()]]) satisfies Others),
    announce(reason, words) {
      announced.push(`${reason}: ${words}`);
      if (reason === "credentialsRotated" && silentAfterwards) other = "silent";
    },
  });
}

function answerOfOther() {
  if (other === "silent") return null;
  if (other === "refused") return other;
  const fingerprint = other === "old" ? "another" : vault.state().credentials.fingerprint;
  return { accepts: fingerprint, uses: fingerprint, told: accepted };
}

const aclLine = (user: string): string =>
  readFileSync(join(folder, "run", "users.acl"), "utf8")
    .split("\n")
    .find((line) => line.startsWith(`user ${user} `)) ?? "";
/** A busy machine may be slow: a test waits for the thing itself. */
function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 20_000, interval: 5 });
}
const inSync = () => until(() => expect(rotation?.view().inSync).toBe(true));

describe("while nothing changes", () => {
  it("a fresh pod tells its Redis nothing: the file that it starts with says all", async () => {
    await start();
    await inSync();
    expect(told).toEqual([]);
    expect(announced).toEqual([]);
    expect(rotation?.view().generations.get("default")).toBe(1);
  });

  it("a sidecar beside a running Redis makes sure that it has its users", async () => {
    await start();
    await inSync();
    await start();
    await inSync();
    expect(told.filter((line) => line.startsWith("ACL SETUSER"))).toHaveLength(3);
    expect(announced).toEqual([]);
  });
});

describe("a changed password", () => {
  it("is accepted at once, used when all accept it, and the old one ends after its time", async () => {
    await start();
    await inSync();
    other = "old";
    write("password", "second");
    await until(() => expect(aclLine("default")).toContain(hashOf("second")));
    expect(aclLine("default")).toContain(hashOf("first"));
    await until(() => expect(told.join()).toContain(hashOf("second")));
    await until(() => expect(announced.join()).toContain("orders-1 has other passwords"));
    expect(told.join()).not.toContain("masterauth");
    expect(aclLine("default")).toContain(hashOf("first"));

    other = "same";
    await until(() => expect(told.join()).toContain("CONFIG SET masterauth"));
    await until(() => expect(announced.at(-1)).toMatch(/^credentialsRotated: .*default/));
    await until(() => expect(aclLine("default")).not.toContain(hashOf("first")));
    await until(() => expect(told.at(-3)).not.toContain(hashOf("first")));
    expect(rotation?.view().generations.get("default")).toBe(2);
    expect(rotation?.view().generations.get("leasehold")).toBe(1);
  });

  it("waits for a Redis that takes no commands, and is not said to be accepted", async () => {
    await start();
    await inSync();
    redis = { ok: false, why: "notNow", message: "BUSY" };
    write("password", "second");
    await until(() => expect(aclLine("default")).toContain(hashOf("second")));
    expect(rotation?.answer().accepts).not.toBe(vault.state().credentials.fingerprint);
    redis = { ok: true };
    await inSync();
    expect(rotation?.answer().accepts).toBe(vault.state().credentials.fingerprint);
  });

  it("survives a restart of the sidecar at any step", async () => {
    await start();
    await inSync();
    const { agentPassword } = vault.state();
    rotation?.stop();
    write("key", "other key");
    await start();
    // Redis knows the old one alone until it has been told.
    expect(vault.state().agentPassword).toBe(agentPassword);
    expect(aclLine("leasehold")).toContain(hashOf(agentPassword));
    await inSync();
    expect(vault.state().agentPassword).not.toBe(agentPassword);
  });

  it("that cannot be read changes nothing", async () => {
    await start();
    await inSync();
    const before = aclLine("default");
    write("password", "");
    await new Promise((resolve) => {
      setTimeout(resolve, 5 * TIMES.pollMs);
    });
    expect(aclLine("default")).toBe(before);
    write("password", "second");
    await until(() => expect(aclLine("default")).toContain(hashOf("second")));
  });

  it("is never written as such", async () => {
    await start();
    write("password", "second-secret");
    await until(() => expect(aclLine("default")).toContain(hashOf("second-secret")));
    const files = ["run/users.acl", "run/credentials.json", "data/leasehold/credentials.json"];
    const texts = files.map((file) => readFileSync(join(folder, file), "utf8"));
    expect(texts.filter((text) => /second-secret|"first"/.test(text))).toEqual([]);
    expect(texts[2]).not.toContain(vault.state().agentPassword);
  });
});

describe("a member without a memory", () => {
  const OLD = { user: "default", hash: hashOf("zeroth"), leftMs: OVERLAP_MS };

  it("accepts what the others still accept, in its Redis at once and for its time", async () => {
    accepted = [OLD];
    await start();
    await until(() => expect(told.join("\n")).toContain(`#${hashOf("first")} #${OLD.hash}`));
    expect(readFileSync(join(folder, "data/leasehold/credentials.json"), "utf8")).toContain(
      OLD.hash,
    );
    await inSync();
    await until(() => expect(aclLine("default")).not.toContain(OLD.hash));
    // It is told of it still.
    await start();
    await inSync();
    expect(aclLine("default")).not.toContain(OLD.hash);
  });

  it("keeps what it took over when its pod comes back", async () => {
    accepted = [{ ...OLD, leftMs: 60_000 }];
    settings = { ...settings, auth: { ...settings.auth, rotationOverlapMs: 60_000 } };
    await start();
    await inSync();
    rotation?.stop();
    rmSync(join(folder, "run", "credentials.json"));
    other = "silent";
    await start();
    expect(aclLine("default")).toContain(OLD.hash);
  });

  it("learns across restarts until all others have answered, and not after that", async () => {
    other = "silent";
    await start();
    await start();
    other = "old";
    accepted = [OLD];
    await until(() => expect(aclLine("default")).toContain(OLD.hash));
    accepted = [OLD, { ...OLD, hash: hashOf("late") }];
    other = "same";
    await inSync();
    await start();
    await inSync();
    expect(aclLine("default")).not.toContain(hashOf("late"));
  });
});

describe("people hear", () => {
  it("of a member that keeps an old password alive by its silence", async () => {
    await start();
    await inSync();
    silentAfterwards = true;
    write("password", "second");
    await until(() => expect(announced.join()).toContain("orders-1 does not answer"));
    expect(aclLine("default")).toContain(hashOf("first"));
  });

  it("of a member with another internal key, though it answers nothing", async () => {
    other = "refused";
    await start();
    await until(() =>
      expect(announced.join()).toContain("orders-1 has another internal key: old passwords stay"),
    );
    expect(announced).toHaveLength(1);
  });

  it("of a silent member only while it is waited for", async () => {
    other = "silent";
    await start();
    await new Promise((resolve) => {
      setTimeout(resolve, 2 * TIMES.patienceMs);
    });
    expect(announced).toEqual([]);
    write("password", "second");
    await until(() => expect(announced.join()).toContain("orders-1 does not answer"));
  });

  it("that there is no internal key, at the start and when it goes", async () => {
    await start();
    await inSync();
    rmSync(join(folder, "key"));
    await until(() => expect(announced.join()).toContain("internalKeyDerived"));
    announced = [];
    await start();
    expect(announced.join()).toContain("internalKeyDerived");
  });
});
