import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AdminOutcome } from "@leasehold/redis";
import { createLoopbackCertificate, type Certificate } from "@leasehold/testkit/certificate";
import { readSettings } from "../src/settings/settings.ts";
import { openCertificates, type Certificates } from "../src/tls/certificates.ts";

const CA = createLoopbackCertificate({ name: "ca" });
const [FIRST, SECOND] = ["first", "second"].map((name) =>
  createLoopbackCertificate({ name, issuer: CA }),
) as [Certificate, Certificate];

let folder = "";
let certificates: Certificates;
let stop: (() => void) | undefined;
let loads = 0;
let announced: string[] = [];
let redis: AdminOutcome = { ok: true };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "leasehold-certificates-"));
  mkdirSync(join(folder, "run"));
  [loads, announced, redis] = [0, [], { ok: true }];
  mount(FIRST);
});
afterEach(async () => {
  stop?.();
  await pass(15);
  rmSync(folder, { recursive: true, force: true });
});

function mount({ certPem, keyPem }: Pick<Certificate, "certPem" | "keyPem">): void {
  writeFileSync(join(folder, "tls.crt"), certPem);
  writeFileSync(join(folder, "tls.key"), keyPem);
  writeFileSync(join(folder, "ca.crt"), CA.certPem);
}

/** A sidecar that starts, beside what its predecessor left. */
async function start(): Promise<void> {
  stop?.();
  const tls = {
    certFile: join(folder, "tls.crt"),
    keyFile: join(folder, "tls.key"),
    caFile: join(folder, "ca.crt"),
  };
  const outcome = await readSettings({
    fileText: JSON.stringify({
      group: "orders",
      namespace: "shop",
      member: { name: "orders-0", podUid: "u", host: "10.0.0.7" },
      directories: { run: join(folder, "run") },
      redis: { tls },
    }),
    environment: {},
  });
  if (!outcome.ok || !outcome.settings.redis.tls) throw new Error("settings");
  const log = pino({ level: "silent" });
  certificates = openCertificates(outcome.settings, outcome.settings.redis.tls, log);
  await certificates.render();
  stop = certificates.follow({
    admin: {
      run() {
        loads += 1;
        return Promise.resolve(redis);
      },
    },
    announce: (reason, words) => announced.push(`${reason}: ${words}`),
    pollMs: 3,
  });
}

function pass(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 20_000, interval: 5 });
}

const pair = (): string => readFileSync(join(folder, "run", "tls.pem"), "utf8");

describe("the copies that Redis reads", () => {
  it("are there before Redis starts, and Redis is told nothing", async () => {
    await start();
    expect(pair()).toContain(FIRST.certPem.trimEnd());
    expect(pair()).toContain(FIRST.keyPem.trimEnd());
    await pass(20);
    expect([loads, announced]).toEqual([0, []]);
    expect(certificates.expiresAtMs()).toBeGreaterThan(0);
  });

  it("follow the files, once each time", async () => {
    await start();
    mount(SECOND);
    await until(() => expect(announced).toHaveLength(1));
    expect(announced[0]).toMatch(
      /^certificateReloaded: Redis shows a new certificate, valid until/,
    );
    expect(pair()).toContain(SECOND.certPem.trimEnd());
    await pass(20);
    expect(loads).toBe(1);
  });

  it("stay when the files are bad, also over a restart of the sidecar", async () => {
    await start();
    mount({ ...SECOND, keyPem: FIRST.keyPem });
    await until(() => expect(announced).toHaveLength(1));
    expect(announced[0]).toMatch(/^certificateRejected: .*the certificate before it stays in use$/);
    await start();
    await until(() => expect(announced).toHaveLength(2));
    expect(pair()).toContain(FIRST.certPem.trimEnd());
  });

  it("come back when Redis itself refuses the new ones, which are not tried again", async () => {
    await start();
    redis = { ok: false, why: "refused", message: "Unable to update TLS configuration" };
    mount(SECOND);
    await until(() => expect(announced).toHaveLength(1));
    expect(announced[0]).toContain("certificateRejected: Redis refuses it: Unable to update");
    expect(pair()).toContain(FIRST.certPem.trimEnd());
    await pass(20);
    expect([loads, announced.length]).toEqual([1, 1]);
  });

  it("are loaded later by a Redis that takes no commands now", async () => {
    await start();
    redis = { ok: false, why: "notNow", message: "BUSY" };
    mount(SECOND);
    await until(() => expect(loads).toBeGreaterThan(2));
    redis = { ok: true };
    const before = loads;
    await until(() => expect(loads).toBe(before + 1));
    expect(pair()).toContain(SECOND.certPem.trimEnd());
  });

  it("are made of doubtful files where there is nothing else, and the doubt is told", async () => {
    mount({ ...SECOND, keyPem: FIRST.keyPem });
    await start();
    await until(() => expect(announced).toHaveLength(1));
    expect(announced[0]).toMatch(/does not belong to .*; there is no other one$/);
    await start();
    await until(() => expect(announced).toHaveLength(2));
    mount(SECOND);
    await until(() => expect(certificates.expiresAtMs()).not.toBeNull());
    expect(pair()).toContain(SECOND.keyPem.trimEnd());
  });

  it("come back when Redis refuses later what it could not look at first", async () => {
    await start();
    redis = { ok: false, why: "notNow", message: "no answer within 1000 ms" };
    mount(SECOND);
    await until(() => expect(loads).toBeGreaterThan(3));
    expect(announced).toEqual([]);
    redis = { ok: false, why: "refused", message: "Unable to update TLS configuration" };
    await until(() => expect(announced).toHaveLength(1));
    expect(announced[0]).toContain("certificateRejected: Redis refuses it: Unable to update");
    expect(pair()).toContain(FIRST.certPem.trimEnd());
    const before = loads;
    await pass(20);
    expect([loads - before, announced.length]).toEqual([0, 1]);
  });

  it("are the old and the new ones by turns while no Redis starts", async () => {
    await start();
    redis = { ok: false, why: "absent", message: "connect ENOENT" };
    mount(SECOND);
    await until(() => expect(loads).toBeGreaterThan(3));
    const holds = ({ certPem }: Certificate) => expect(pair()).toContain(certPem.trimEnd());
    holds(FIRST);
    await until(() => holds(SECOND));
    await until(() => holds(FIRST));
    expect(loads).toBeGreaterThan(29);
    expect(announced).toEqual([]);
    redis = { ok: true };
    await until(() => expect(announced).toHaveLength(1));
    expect(pair()).toContain(SECOND.certPem.trimEnd());
  });

  it("come back from their turn when the files turn bad", async () => {
    await start();
    redis = { ok: false, why: "absent", message: "connect ENOENT" };
    mount(SECOND);
    await until(() => expect(pair()).toContain(SECOND.certPem.trimEnd()));
    mount({ ...SECOND, keyPem: FIRST.keyPem });
    await until(() => expect(announced).toHaveLength(1));
    expect(pair()).toContain(FIRST.certPem.trimEnd());
  });
});
