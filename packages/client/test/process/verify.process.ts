import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { startBalancer } from "@leasehold/testkit/balancer";
import { createLoopbackCertificate } from "@leasehold/testkit/certificate";
import { createLeasehold, serviceTopology, statusTopology } from "../../src/index.ts";
import { startStatus } from "./fake-status.ts";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { freePort, startPair, startRedis, until } from "./real-redis.ts";

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  await closeAll();
  for (const close of closing.splice(0)) await close();
});

describe("row 17: an old primary that is still a master, behind a stale Service", () => {
  test.each(["by its history, where there is nothing but the Service", "by the epoch"])(
    "is refused %s",
    async (how) => {
      const [a, b] = await startPair();
      const balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
      const status = await startStatus({ a, b });
      closing.push(
        () => balancer.close(),
        () => status.close(),
      );
      const lead = (redis: typeof a): void =>
        balancer.setTarget({ host: redis.host, port: redis.port });
      lead(a);
      await status.push(1, a);
      const service = serviceTopology({ writer: `127.0.0.1:${balancer.address.port}` });
      const stream = statusTopology({ endpoints: [status.endpoint] });
      const isByEpoch = how === "by the epoch";
      const client = open({ topology: isByEpoch ? [stream, service] : service });
      if (isByEpoch) await until(() => client.topology.epoch === 1);
      await client.leader.set("k", "first");
      await until(async () => (await b.admin.get("k")) === "first");

      // Both are masters now, and the newer one is known.
      await b.promote();
      lead(b);
      if (isByEpoch) {
        await status.push(2, b);
        await until(() => client.topology.epoch === 2);
      } else client.leader.disconnect(true);
      await until(async () => {
        await client.withOptions({ timeoutMs: 500 }).set("k", "second");
        return (await b.admin.get("k")) === "second";
      });
      await a.admin.set("k", "stale");

      // And the Service leads back to the old one.
      lead(a);
      client.leader.disconnect(true);
      const write = client.leader.set("k", "third");
      await sleep(500);
      expect(await a.admin.get("k")).toBe("stale");
      lead(b);
      expect(await write).toBe("OK");
      expect(await b.admin.get("k")).toBe("third");
    },
  );
});

describe("row 18: TLS", () => {
  test("the checked socket is handed over, and a server of another authority is refused", async () => {
    const ca = createLoopbackCertificate({ name: "authority" });
    const ours = createLoopbackCertificate({ name: "ours", issuer: ca });
    const folder = mkdtempSync(join(tmpdir(), "leasehold-client-tls-"));
    closing.push(() => rmSync(folder, { recursive: true }));
    const files = {
      cert: join(folder, "cert.pem"),
      key: join(folder, "key.pem"),
      ca: join(folder, "ca.pem"),
    };
    writeFileSync(files.cert, ours.certPem);
    writeFileSync(files.key, ours.keyPem);
    writeFileSync(files.ca, ca.certPem);
    const tlsPort = await freePort();
    await startRedis(
      ...["--tls-port", String(tlsPort), "--tls-auth-clients", "no", "--tls-cert-file", files.cert],
      ...["--tls-key-file", files.key, "--tls-ca-cert-file", files.ca],
    );
    const address = `127.0.0.1:${tlsPort}`;
    const client = open({
      topology: serviceTopology({ writer: address }),
      redis: { tls: { ca: ca.certPem } },
    });
    expect(await client.leader.set("k", "v".repeat(100_000))).toBe("OK");
    expect(await client.leader.strlen("k")).toBe(100_000);

    const faults: string[] = [];
    const stranger = createLoopbackCertificate({ name: "stranger" });
    const wary = open({
      topology: serviceTopology({ writer: address }),
      redis: { tls: { ca: stranger.certPem } },
      waitForLeaderMs: 300,
    });
    wary.on("providerFault", ({ error }) => faults.push(String(error.cause)));
    expect((await outcome(wary.leader.get("k"))).error?.message).toContain("No leader within");
    expect(faults.join()).toMatch(/certificate|unable to verify/i);
  });
});

describe("check() says what is wrong", () => {
  const quick = { handshakeTimeoutMs: 200, heartbeatIntervalMs: 0 } as const;

  test("when nobody leads", async () => {
    const topology = pushedTopology({});
    const client = open({ topology: topology.provider, ...quick });
    const { ok, reason } = await client.check();
    expect({ ok, reason }).toEqual({
      ok: false,
      reason: "no leader within 200 ms: nobody is known to lead",
    });
  });

  test("when a change is under way, and when the leader does not answer", async () => {
    const { a, topology, client } = await openPair(quick);
    topology.announce(400);
    const announced = await client.check();
    expect(announced.reason).toBe("no leader within 200 ms: a planned change is under way");
    expect((await client.leader.ping()) && (await client.check()).ok).toBe(true);
    a.signal("SIGSTOP");
    const { reason } = await client.check();
    a.signal("SIGCONT");
    expect(reason).toBe("a has not answered a PING within 200 ms");
  });
});

describe("a plain single Redis", () => {
  test("is served by its address alone, and a URL says the same", async () => {
    const redis = await startRedis();
    const url = `leasehold://127.0.0.1:${redis.port}/3?waitForLeaderMs=2000&readPreference=primary`;
    const client = createLeasehold(url);
    closing.push(() => client.close());
    expect(await client.leader.set("k", "v")).toBe("OK");
    await redis.admin.select(3);
    expect(await redis.admin.get("k")).toBe("v");
    // Nothing here orders leaders, and the client says so.
    expect(client.topology.epoch).toBeNull();
    expect(await client.check()).toMatchObject({ ok: true, reason: "" });
    await redis.kill();
    expect(await client.check()).toMatchObject({ ok: false });
  });
});
