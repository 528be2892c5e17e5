import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { createLoopbackCertificate } from "@leasehold/testkit/certificate";
import {
  connect,
  freePort,
  infoOf,
  startRedis,
  stopAll,
  until,
  type RealRedis,
} from "./real-redis.ts";

const GATE = { host: "127.0.0.1", port: 1 };
afterEach(stopAll);

const PROMOTE = { kind: "promote", epoch: 1, pauseMs: 10_000 } as const;
const DEMOTE = { kind: "demote", cutClients: false } as const;

describe("probe", () => {
  it("gives the whole state in one answer, by socket and by port", async () => {
    const redis = await startRedis();
    const bySocket = await infoOf(connect({ socket: redis.socket }));
    const byPort = await infoOf(connect({ host: "127.0.0.1", port: redis.port }));
    expect(bySocket).toMatchObject({ pid: redis.pid(), role: "replica", upstream: GATE });
    expect(bySocket.usage).toMatchObject({ clients: expect.any(Number) });
    // What it counts goes on between the two.
    expect({ ...byPort, usage: null }).toEqual({ ...bySocket, usage: null });
  });

  it("says refused where nobody listens, and where nobody ever did", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    await infoOf(server);
    await redis.kill();
    expect(await server.probe(500)).toEqual({ kind: "refused" });
    rmSync(redis.socket);
    expect(await server.probe(500)).toEqual({ kind: "refused" });
    const nobody = connect({ host: "127.0.0.1", port: redis.port });
    expect(await nobody.probe(500)).toEqual({ kind: "refused" });
  });

  it("tells of a death by its closed connections", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    await infoOf(server);
    const told = new Promise<number>((resolve) => {
      server.onClosed(() => resolve(performance.now()));
    });
    const diedAtMs = performance.now();
    redis.signal("SIGKILL");
    expect((await told) - diedAtMs).toBeLessThan(250);
    expect(await server.probe(500)).toEqual({ kind: "refused" });
  });

  it("finds a death whose BGSAVE keeps the connections open", async () => {
    const redis = await startRedis("rdb-key-save-delay 3000000", "repl-diskless-sync-delay 1");
    const server = connect({ socket: redis.socket });
    const { runId, pid } = await infoOf(server);
    await server.role({ ...PROMOTE, pauseMs: 1 }, { runId, pid }, 1_000);
    const client = redis.client();
    await until(async () => (await client.set("a", "1")) === "OK");
    await client.bgsave();
    const told: number[] = [];
    server.onClosed(() => told.push(performance.now()));
    await redis.kill();
    expect(await server.probe(1_000)).toEqual({ kind: "refused" });
    expect(told).toEqual([]);
  });

  it("meets the next process after a restart", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const before = await infoOf(server);
    await redis.kill();
    await redis.start();
    const after = await infoOf(server);
    expect(after.runId).not.toBe(before.runId);
    expect(after.pid).toBe(redis.pid());
  });

  it("calls a hung Redis silent, holds two questions only, and takes the late answer", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    await infoOf(server);
    redis.signal("SIGSTOP");
    for (let n = 0; n < 10; n += 1) {
      const askedAtMs = performance.now();
      expect(await server.probe(60)).toEqual({
        kind: "silent",
        message: "no answer within 60 ms",
      });
      expect(performance.now() - askedAtMs).toBeLessThan(500);
    }
    redis.signal("SIGCONT");
    await infoOf(server);
    const stats = await redis.client().info("commandstats");
    // One before, two in the hang, at most one after; the role connection asks once.
    expect(Number(/cmdstat_info:calls=(\d+)/.exec(stats)?.[1])).toBeLessThanOrEqual(6);
  });

  it("calls a Redis in a long script busy, and says how to end it", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    await infoOf(server);
    const script = redis
      .client()
      .eval("while true do end", 0)
      .catch(() => {});
    await until(async () => (await server.probe(500)).kind === "busy");
    expect(await server.probe(500)).toMatchObject({
      kind: "busy",
      message: expect.stringContaining("SCRIPT KILL"),
    });
    await redis.client().script("KILL");
    await script;
    await infoOf(server);
  });

  it("reads the state of a Redis that loads its file", async () => {
    const redis = await startRedis(
      "key-load-delay 2000",
      "loading-process-events-interval-bytes 1024",
      "enable-debug-command local",
    );
    const server = connect({ socket: redis.socket });
    const client = redis.client();
    await client.replicaof("NO", "ONE");
    await client.call("DEBUG", "POPULATE", "2000");
    await client.save();
    await redis.kill();
    redis.spawn();
    await until(async () => {
      const observation = await server.probe(500);
      return observation.kind === "answered" && observation.info.loading;
    });
    const { runId, pid } = await infoOf(server);
    const refused = await server.role(PROMOTE, { runId, pid }, 5_000);
    expect(refused).toMatchObject({ ok: false, sent: true, error: "loading" });
  });

  it("gets in when maxclients is reached and both kinds of connections were cut", async () => {
    const redis = await startRedis("maxclients 10");
    const server = connect({ socket: redis.socket });
    const { runId, pid } = await infoOf(server);
    await untilListed(redis, 3);
    const crowd = Array.from({ length: 20 }, () => redis.client());
    await until(async () => crowd.some(({ status }) => status === "end"));
    const late = connect({ socket: redis.socket });
    expect(await late.probe(500)).toMatchObject({ kind: "silent" });
    await infoOf(server);
    expect(await server.role(DEMOTE, { runId, pid }, 500)).toMatchObject({ ok: true });
  });

  it("comes back at once when somebody cuts its connections, and asks why", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    await infoOf(server);
    await untilListed(redis, 3);
    let closed = 0;
    server.onClosed(() => (closed += 1));
    await redis.client().call("CLIENT", "KILL", "TYPE", "normal");
    await until(() => Promise.resolve(closed === 3));
    // The probes unasked; the role connection with the next answer.
    await untilListed(redis, 2);
    expect(await server.probe(500)).toMatchObject({ kind: "answered" });
  });

  it("answers a probe whose connection is cut under the question", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    await infoOf(server);
    redis.signal("SIGSTOP");
    const probe = server.probe(3_000);
    await sleep(100);
    const killer = new Redis({ path: redis.socket, enableReadyCheck: false });
    killer.on("error", () => {});
    void killer.call("CLIENT", "KILL", "TYPE", "normal").catch(() => {});
    redis.signal("SIGCONT");
    expect(await probe).toMatchObject({ kind: "answered" });
    killer.disconnect();
  });
});

describe("TLS", () => {
  it("carries probes and role commands, and a foreign authority is no death", async () => {
    const { certPem, keyPem } = createLoopbackCertificate();
    const directory = mkdtempSync(join(tmpdir(), "leasehold-tls-"));
    const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
    writeFileSync(cert, certPem);
    writeFileSync(key, keyPem);
    const tlsPort = await freePort();
    await startRedis(
      `tls-port ${tlsPort}`,
      `tls-cert-file ${cert}`,
      `tls-key-file ${key}`,
      `tls-ca-cert-file ${cert}`,
      "tls-auth-clients no",
    );
    rmSync(directory, { recursive: true });
    const endpoint = { host: "127.0.0.1", port: tlsPort };
    const server = connect({ ...endpoint, tls: { ca: certPem } });
    const { runId, pid } = await infoOf(server);
    expect(await server.role(PROMOTE, { runId, pid }, 1_000)).toMatchObject({ role: "primary" });
    const stranger = connect({ ...endpoint, tls: { ca: createLoopbackCertificate().certPem } });
    expect(await stranger.probe(500)).toMatchObject({
      kind: "busy",
      message: expect.stringMatching(/self-signed certificate.*compare the sidecar's CA/),
    });
  });
});

describe("authentication", () => {
  const ACL =
    "resetkeys resetchannels -@all +info +psync +replconf +replicaof +multi +exec +client|setname +client|id +client|list +client|kill +client|pause +client|unpause +config|set +command|info";

  it("works for a user who may do nothing but our commands", async () => {
    const redis = await startRedis(`user leasehold on >secret ${ACL}`, "user default off");
    const server = connect({ socket: redis.socket, username: "leasehold", password: "secret" });
    const { runId, pid } = await infoOf(server);
    const process = { runId, pid };
    const upstream = { host: "127.0.0.1", port: 1 };
    for (const command of [
      { kind: "verifyDemoted" },
      PROMOTE,
      { kind: "pause", pauseMs: 10 },
      { kind: "unpause" },
      { kind: "minReplicas", count: 0 },
      { kind: "cutClients" },
      { kind: "cutWriters", scripts: true },
      { kind: "demote", cutClients: true },
      { kind: "follow", upstream, bounce: true },
    ] as const) {
      const outcome = await server.role(command, process, 1_000);
      expect([command.kind, outcome.ok ? "" : outcome.message]).toEqual([command.kind, ""]);
    }
  });

  it.each([
    [{ username: "leasehold", password: "wrong" }, /WRONGPASS.*user leasehold/],
    [{}, /NOAUTH.*user default/],
  ])("refused is busy, not dead, with words that help: %j", async (credentials, words) => {
    const redis = await startRedis(
      `user leasehold on >secret ${ACL}`,
      "user default on >app ~* &* +@all -@dangerous",
    );
    const server = connect({ socket: redis.socket, ...credentials });
    const observation = await server.probe(500);
    expect(observation).toMatchObject({ kind: "busy", message: expect.stringMatching(words) });
    const outcome = await server.role(DEMOTE, { runId: "x", pid: 1 }, 500);
    expect(outcome).toMatchObject({ ok: false, sent: false, error: "refused" });
  });

  it("lacking a command says which user needs it", async () => {
    const redis = await startRedis(`user leasehold on >secret ${ACL} -replicaof`);
    const server = connect({ socket: redis.socket, username: "leasehold", password: "secret" });
    const { runId, pid } = await infoOf(server);
    expect(await server.role(DEMOTE, { runId, pid }, 500)).toMatchObject({
      ok: false,
      sent: true,
      error: "refused",
      message: expect.stringMatching(/NOPERM.*user leasehold/),
    });
  });

  it("asks for the password anew, so a rotated one is found", async () => {
    const redis = await startRedis(`user leasehold on >old ${ACL}`);
    let password = "old";
    const server = connect({
      socket: redis.socket,
      username: "leasehold",
      password: () => password,
    });
    await infoOf(server);
    await redis.client().call("ACL", "SETUSER", "leasehold", ">new", "<old");
    password = "new";
    await redis.client().call("CLIENT", "KILL", "TYPE", "normal");
    expect(await server.probe(500)).toMatchObject({ kind: "answered" });
  });
});

/** Redis lists so many connections of ours by their names; at rest two probes, one for roles. */
async function untilListed(redis: RealRedis, count: number): Promise<void> {
  const client = redis.client();
  await until(async () => {
    const list = String(await client.client("LIST"));
    return list.split(" name=leasehold-").length - 1 === count;
  });
}
