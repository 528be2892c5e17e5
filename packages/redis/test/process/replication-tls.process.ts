/**
 * What the group relies on and Redis does by itself: a replica believes only a primary whose
 * certificate an authority of its own has signed, and reads its files anew while it runs.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { createLoopbackCertificate, type Certificate } from "@leasehold/testkit/certificate";
import { createRedisAdmin } from "../../src/index.ts";
import { freePort, startRedis, stopAll, until, type RealRedis } from "./real-redis.ts";

const folders: string[] = [];

afterEach(async () => {
  await stopAll();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const CA = createLoopbackCertificate({ name: "authority" });
const STRANGERS_CA = createLoopbackCertificate({ name: "strangers' authority" });
const OURS = createLoopbackCertificate({ name: "ours", issuer: CA });

interface TlsRedis {
  readonly redis: RealRedis;
  readonly tlsPort: number;
  readonly caFile: string;
}

async function startTlsRedis(certificate: Certificate, ca: Certificate): Promise<TlsRedis> {
  const tlsPort = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "leasehold-tls-"));
  folders.push(folder);
  const files = { pair: join(folder, "tls.pem"), ca: join(folder, "ca.pem") };
  writeFileSync(files.pair, `${certificate.certPem}${certificate.keyPem}`);
  writeFileSync(files.ca, ca.certPem);
  const redis = await startRedis(
    ...[`tls-port ${tlsPort}`, "tls-replication yes", "tls-auth-clients yes"],
    ...[`tls-cert-file ${files.pair}`, `tls-key-file ${files.pair}`],
    `tls-ca-cert-file ${files.ca}`,
  );
  return { redis, tlsPort, caFile: files.ca };
}

async function isLinked({ redis }: TlsRedis): Promise<boolean> {
  return (await redis.client().info("replication")).includes("master_link_status:up");
}

it("a replica attaches to a primary that its authority has signed, whatever the name", async () => {
  const primary = await startTlsRedis(OURS, CA);
  const replica = await startTlsRedis(OURS, CA);
  await primary.redis.client().replicaof("NO", "ONE");
  await replica.redis.client().replicaof("127.0.0.1", primary.tlsPort);
  await until(() => isLinked(replica));
  expect(await isLinked(replica)).toBe(true);
});

it("a replica refuses a primary of another authority, until it is told to trust that", async () => {
  const foreign = createLoopbackCertificate({ name: "foreign", issuer: STRANGERS_CA });
  const primary = await startTlsRedis(foreign, CA);
  const replica = await startTlsRedis(OURS, CA);
  await primary.redis.client().replicaof("NO", "ONE");
  await replica.redis.client().replicaof("127.0.0.1", primary.tlsPort);
  await sleep(2_500); // Redis tries once a second.
  expect(await isLinked(replica)).toBe(false);

  writeFileSync(replica.caFile, `${CA.certPem}${STRANGERS_CA.certPem}`);
  const admin = createRedisAdmin({ socket: replica.redis.socket });
  const file = join(replica.caFile, "..", "tls.pem");
  expect(await admin.run([["CONFIG", "SET", "tls-cert-file", file]], 1_000)).toEqual({ ok: true });
  await until(() => isLinked(replica));
});

it("Redis refuses files that do not belong together and goes on with the ones before", async () => {
  const { redis, tlsPort, caFile } = await startTlsRedis(OURS, CA);
  const file = join(caFile, "..", "tls.pem");
  writeFileSync(file, `${OURS.certPem}${STRANGERS_CA.keyPem}`);
  const admin = createRedisAdmin({ socket: redis.socket });
  const outcome = await admin.run([["CONFIG", "SET", "tls-cert-file", file]], 1_000);
  expect(outcome).toMatchObject({ ok: false, why: "refused" });
  const replica = await startTlsRedis(OURS, CA);
  await redis.client().replicaof("NO", "ONE");
  await replica.redis.client().replicaof("127.0.0.1", tlsPort);
  await until(() => isLinked(replica));
});

it("an admin connection says when Redis is not there", async () => {
  const { redis } = await startTlsRedis(OURS, CA);
  const admin = createRedisAdmin({ socket: redis.socket });
  expect(await admin.run([], 500)).toEqual({ ok: true });
  await redis.kill();
  expect(await admin.run([["INFO"]], 500)).toMatchObject({ ok: false, why: "absent" });
});
