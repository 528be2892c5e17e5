/** A primary outside the group, as a real Redis plays it: what closes it, and what opens it. */
import { join } from "node:path";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { createLoopbackCertificate } from "@leasehold/testkit/certificate";
import { afterEach, expect, it } from "vitest";
import { createRedisSource } from "../../src/index.ts";
import { freePort, startRedis, stopAll, type RealRedis } from "./real-redis.ts";

afterEach(stopAll);

const DEADLINE_MS = 1_000;

async function primary(...lines: readonly string[]): Promise<RealRedis> {
  const redis = await startRedis(...lines);
  await redis.client().call("REPLICAOF", "NO", "ONE");
  return redis;
}

const sourceOf = ({ port }: RealRedis) => createRedisSource({ host: "127.0.0.1", port });

it("a closed source refuses writes of every kind, says where it stands, and is opened as it was", async () => {
  const redis = await primary("min-replicas-to-write 2", "min-replicas-max-lag 0");
  const client = redis.client();
  await client.set("before", "1");
  const stands = await sourceOf(redis).stand(true, DEADLINE_MS);
  const info = await client.info("replication");
  const replid = /master_replid:(\w+)/.exec(info)?.[1];
  expect(stands).toEqual({ kind: "stands", replid, offset: expect.any(Number) });
  await expect(client.set("late", "1")).rejects.toThrow("NOREPLICAS");
  await expect(client.eval("return redis.call('SET', 'late', 1)", 0)).rejects.toThrow("NOREPLICAS");
  await client
    .multi()
    .set("late", "1")
    .exec()
    .catch(() => undefined);
  expect(await client.exists("late")).toBe(0);

  // Closing twice forgets nothing.
  expect(await sourceOf(redis).stand(true, DEADLINE_MS)).toMatchObject({ kind: "stands" });
  expect(await sourceOf(redis).reopen(DEADLINE_MS)).toBeNull();
  expect(await sourceOf(redis).reopen(DEADLINE_MS)).toBeNull();
  expect(await client.config("GET", "min-replicas-to-write")).toContain("2");
  expect(await client.config("GET", "min-replicas-max-lag")).toContain("0");
  expect(await client.set("open", "1")).toBe("OK");
});

it("a source that is only asked goes on taking writes", async () => {
  const redis = await primary();
  expect(await sourceOf(redis).stand(false, DEADLINE_MS)).toMatchObject({ kind: "stands" });
  expect(await redis.client().set("still", "1")).toBe("OK");
});

it("a source that is a replica, or refuses, or is not there, is told apart in words", async () => {
  const replica = await startRedis();
  expect(await sourceOf(replica).stand(true, DEADLINE_MS)).toEqual({
    kind: "failed",
    words: "the source is a replica itself: name its primary",
  });
  const rules =
    "user mover on nopass -@all +psync +replconf +ping +info +client|setname +client|id";
  const poor = await primary(rules);
  const asMover = createRedisSource({
    ...{ host: "127.0.0.1", port: poor.port, username: "mover", password: "any" },
  });
  expect(await asMover.stand(false, DEADLINE_MS)).toMatchObject({ kind: "stands" });
  const refused = await asMover.stand(true, DEADLINE_MS);
  expect(refused).toMatchObject({ kind: "failed" });
  expect(JSON.stringify(refused)).toContain("the source refuses CONFIG GET");
  const gone = await createRedisSource({ host: "127.0.0.1", port: 1 }).reopen(DEADLINE_MS);
  expect(gone).toContain("ECONNREFUSED");
});

it("a source that speaks TLS is closed and opened over it, and a stranger is not asked", async () => {
  const { certPem, keyPem } = createLoopbackCertificate();
  const directory = mkdtempSync(join(tmpdir(), "leasehold-tls-"));
  const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
  writeFileSync(cert, certPem);
  writeFileSync(key, keyPem);
  const tlsPort = await freePort();
  const files = [`tls-cert-file ${cert}`, `tls-key-file ${key}`, `tls-ca-cert-file ${cert}`];
  const redis = await primary(`tls-port ${tlsPort}`, ...files, "tls-auth-clients no");
  rmSync(directory, { recursive: true });
  const endpoint = { host: "127.0.0.1", port: tlsPort };
  const source = createRedisSource({ ...endpoint, tls: { ca: certPem } });
  expect(await source.stand(true, DEADLINE_MS)).toMatchObject({ kind: "stands" });
  await expect(redis.client().set("late", "1")).rejects.toThrow("NOREPLICAS");
  expect(await source.reopen(DEADLINE_MS)).toBeNull();
  expect(await redis.client().set("open", "1")).toBe("OK");
  const stranger = createRedisSource({
    ...endpoint,
    tls: { ca: createLoopbackCertificate().certPem },
  });
  expect(await stranger.stand(true, DEADLINE_MS)).toMatchObject({
    kind: "failed",
    words: expect.stringContaining("self-signed certificate"),
  });
  expect(await redis.client().set("still", "open")).toBe("OK");
  const gone = createRedisSource({ host: "127.0.0.1", port: 1, tls: { ca: certPem } });
  expect(await gone.reopen(DEADLINE_MS)).toContain("ECONNREFUSED");
  redis.signal("SIGSTOP");
  expect(await source.stand(true, 300)).toMatchObject({ kind: "failed" });
  redis.signal("SIGCONT");
});
