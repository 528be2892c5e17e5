import { afterEach, describe, expect, it } from "vitest";
import type { RoleCommand, RoleOutcome } from "@leasehold/replication";
import {
  connect,
  infoOf,
  processOf,
  startRedis,
  stopAll,
  unanswering,
  until,
} from "./real-redis.ts";

afterEach(stopAll);

const PROMOTE = { kind: "promote", epoch: 1, pauseMs: 10_000 } as const;
const DEMOTE = { kind: "demote", cutClients: false } as const;
const FENCE = { kind: "demote", cutClients: true } as const;
const UNPAUSE = { kind: "unpause" } as const;

function expectOk(outcome: RoleOutcome): Extract<RoleOutcome, { readonly ok: true }> {
  if (!outcome.ok) throw new Error(`${outcome.error}: ${outcome.message}`);
  return outcome;
}

describe("a promotion", () => {
  it("gives a new replid, and no write is answered before the unpause", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const before = await infoOf(server);
    const process = await processOf(server);
    const promoted = expectOk(await server.role(PROMOTE, process, 1_000));
    expect(promoted).toMatchObject({ role: "primary", process, offset: before.offset });
    expect(promoted.replid).not.toBe(before.replid);
    let written = false;
    const write = redis
      .client()
      .set("a", "1")
      .then(() => (written = true));
    for (let n = 0; n < 20; n += 1) await infoOf(server);
    expect(written).toBe(false);
    expectOk(await server.role(UNPAUSE, process, 1_000));
    await write;
  });

  it("names a history that stays: its replid outlives the first replica, its offset counts", async () => {
    const lines = ["repl-diskless-sync-delay 1", "repl-backlog-ttl 0"];
    const redis = await startRedis(...lines);
    const replica = await startRedis();
    const [p, r] = [connect({ socket: redis.socket }), connect({ socket: replica.socket })];
    const promoted = expectOk(await p.role({ ...PROMOTE, pauseMs: 1 }, await processOf(p), 1_000));
    expect(await redis.client().info("stats")).toContain("total_forks:0\r\n");
    await redis.client().set("a", "1");
    expect((await infoOf(p)).offset).toBeGreaterThan(promoted.offset);
    const upstream = { host: "127.0.0.1", port: redis.port };
    expectOk(await r.role({ kind: "follow", upstream, bounce: false }, await processOf(r), 1_000));
    await until(async () => (await infoOf(r)).linkUp);
    expect((await infoOf(p)).replid).toBe(promoted.replid);
    expect((await infoOf(r)).replid).toBe(promoted.replid);
  });

  it("starts without a minimum of replicas, whatever an earlier term left", async () => {
    const redis = await startRedis("min-replicas-to-write 2");
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    expectOk(await server.role({ ...PROMOTE, pauseMs: 1 }, process, 1_000));
    expect(await redis.client().config("GET", "min-replicas-to-write")).toContain("0");
    expectOk(await server.role({ kind: "minReplicas", count: 1 }, process, 1_000));
    await expect(redis.client().set("a", "1")).rejects.toThrow("NOREPLICAS");
    expectOk(await server.role(DEMOTE, process, 1_000));
    expect(await redis.client().config("GET", "min-replicas-to-write")).toContain("0");
  });
});

describe("following", () => {
  it("never stands still for an upstream that does not answer, however often it is told to", async () => {
    const redis = await startRedis();
    const upstream = { host: "127.0.0.1", port: await unanswering() };
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    for (let times = 0; times < 40; times += 1) {
      // Two changes in two steps would be the fault: 5 s without an answer (docs/adr/0016).
      const told = await server.role({ kind: "follow", upstream, bounce: true }, process, 1_000);
      expect(expectOk(told).role).toBe("replica");
      expect((await infoOf(server)).upstream).toEqual(upstream);
    }
  });
});

describe("a demotion", () => {
  it("answers held writes with READONLY once it is unpaused, and cuts nobody unasked", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    expectOk(await server.role(PROMOTE, process, 1_000));
    const held = redis.client().set("a", "1").catch(String);
    expect(expectOk(await server.role(DEMOTE, process, 1_000)).role).toBe("replica");
    expectOk(await server.role(UNPAUSE, process, 1_000));
    expect(await held).toContain("READONLY");
  });

  it("that fences cuts clients and subscribers, lifts the pause and spares itself", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    expectOk(await server.role(PROMOTE, process, 1_000));
    const client = redis.client();
    const subscriber = redis.client();
    await client.ping();
    await subscriber.subscribe("news");
    const held = client.set("a", "1").catch(String);
    expect(expectOk(await server.role(FENCE, process, 1_000)).role).toBe("replica");
    expect(await held).toContain("closed");
    await until(() => Promise.resolve(subscriber.status === "end"));
    await expect(redis.client().set("a", "1")).rejects.toThrow("READONLY");
    expectOk(await server.role({ kind: "cutClients" }, process, 1_000));
    expect((await infoOf(server)).role).toBe("replica");
  });

  it("is refused as busy while a script runs", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    expectOk(await server.role({ ...PROMOTE, pauseMs: 1 }, process, 1_000));
    const script = redis
      .client()
      .eval("while true do end", 0)
      .catch(() => {});
    await until(async () => (await server.probe(500)).kind === "busy");
    const outcome = await server.role(FENCE, process, 1_000);
    expect(outcome).toMatchObject({ ok: false, sent: true, error: "busy" });
    await redis.client().script("KILL");
    await script;
    expect((await infoOf(server)).role).toBe("primary");
  });
});

describe("order", () => {
  it("is kept when many commands are asked for at once", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    const asked = Array.from({ length: 20 }, (_, n) => (n % 3 === 0 ? "up" : "down"));
    const outcomes = await Promise.all(
      asked.map((way) => server.role(way === "up" ? PROMOTE : DEMOTE, process, 2_000)),
    );
    expect(outcomes.map((outcome) => expectOk(outcome).role)).toEqual(
      asked.map((way) => (way === "up" ? "primary" : "replica")),
    );
    const executed = (await redis.executed()).filter((one) => one.startsWith("replicaof"));
    expect(executed.map((one) => (one === "replicaof no one" ? "up" : "down"))).toEqual(asked);
  });

  it("is kept across a hang: a promotion that timed out never lands after a later demotion", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    for (let round = 0; round < 15; round += 1) {
      expectOk(await server.role(DEMOTE, process, 1_000));
      redis.signal("SIGSTOP");
      const promotion = await server.role(PROMOTE, process, 10);
      expect(promotion).toMatchObject({ ok: false, sent: true, error: "timeout" });
      const demotion = server.role(DEMOTE, process, 2_000);
      redis.signal("SIGCONT");
      expect(expectOk(await demotion).role).toBe("replica");
      expect(expectOk(await server.role(UNPAUSE, process, 1_000)).role).toBe("replica");
      expect((await infoOf(server)).role).toBe("replica");
    }
  });

  it("counts the wait for older commands: who is late then was never sent", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    expectOk(await server.role(DEMOTE, process, 1_000));
    redis.signal("SIGSTOP");
    const older = server.role(DEMOTE, process, 100);
    const newer = server.role(PROMOTE, process, 50);
    expect(await older).toMatchObject({ ok: false, sent: true, error: "timeout" });
    expect(await newer).toMatchObject({ ok: false, sent: false, error: "timeout" });
    redis.signal("SIGCONT");
    expect((await infoOf(server)).role).toBe("replica");
  });

  it("has a bound: the thirty-third waiting command is refused", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    redis.signal("SIGSTOP");
    const waiting = Array.from({ length: 33 }, () => server.role(DEMOTE, process, 200));
    expect(await waiting.at(-1)).toMatchObject({ ok: false, sent: false, error: "refused" });
    redis.signal("SIGCONT");
    await Promise.all(waiting);
  });
});

describe("another process", () => {
  it("is not commanded in the place of the one that was meant", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    expectOk(await server.role(DEMOTE, process, 1_000));
    await redis.kill();
    await redis.start();
    const refused = await server.role(PROMOTE, process, 1_000);
    expect(refused).toMatchObject({ ok: false, sent: false, error: "otherProcess" });
    const next = await processOf(server);
    expect((await infoOf(server)).role).toBe("replica");
    expect(expectOk(await server.role(PROMOTE, next, 1_000)).process).toEqual(next);
  });

  it("never gets a promotion that the one before it took to its grave", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    expectOk(await server.role(DEMOTE, process, 1_000));
    redis.signal("SIGSTOP");
    const promotion = server.role(PROMOTE, process, 5_000);
    // Sent once a later question on the probes has had time to be sent.
    await server.probe(20);
    await redis.kill();
    expect(await promotion).toMatchObject({ ok: false, sent: true, error: "closed" });
    await redis.start();
    for (let n = 0; n < 10; n += 1) expect((await infoOf(server)).role).toBe("replica");
  });

  it("does not exist: closed, and never sent", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    await redis.kill();
    expect(await server.role(DEMOTE, process, 1_000)).toMatchObject({
      ok: false,
      sent: false,
      error: "closed",
    });
  });
});

describe("a lost connection", () => {
  it("is replaced, and the command after it is obeyed", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    expectOk(await server.role(PROMOTE, process, 1_000));
    let closed = 0;
    server.onClosed(() => (closed += 1));
    await redis.client().call("CLIENT", "KILL", "TYPE", "normal");
    await until(() => Promise.resolve(closed >= 3));
    expect(expectOk(await server.role(FENCE, process, 1_000)).role).toBe("replica");
  });

  it("is cut off inside Redis before the next one is used", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    expectOk(await server.role(DEMOTE, process, 1_000));
    const clients = String(await redis.client().client("LIST"));
    const [, lostId] = /^id=(\d+) .* name=leasehold-role /m.exec(clients) ?? [];
    redis.signal("SIGSTOP");
    const late = await server.role(PROMOTE, process, 10);
    expect(late).toMatchObject({ error: "timeout" });
    redis.signal("SIGCONT");
    expectOk(await server.role(DEMOTE, process, 1_000));
    const executed = await redis.executed();
    expect(executed.slice(-2)).toEqual([`client kill id ${lostId}`, "replicaof 127.0.0.1 1"]);
  });
});

describe("verifyDemoted", () => {
  it("looks twice, 250 ms apart, and cuts a predecessor's role connection in between", async () => {
    const redis = await startRedis();
    const predecessor = connect({ socket: redis.socket });
    const process = await processOf(predecessor);
    expectOk(await predecessor.role(DEMOTE, process, 1_000));
    let cut = false;
    predecessor.onClosed(() => (cut = true));
    const server = connect({ socket: redis.socket });
    const askedAtMs = performance.now();
    const verified = expectOk(await server.role({ kind: "verifyDemoted" }, process, 1_000));
    expect(verified.role).toBe("replica");
    expect(performance.now() - askedAtMs).toBeGreaterThanOrEqual(245);
    expect(cut).toBe(true);
    const list = await redis.client().client("LIST");
    expect(String(list).split(" name=leasehold-role ").length - 1).toBe(1);
  });

  it("says so when Redis is a primary", async () => {
    const redis = await startRedis();
    const server = connect({ socket: redis.socket });
    const process = await processOf(server);
    expectOk(await server.role(PROMOTE, process, 1_000));
    const verified = await server.role({ kind: "verifyDemoted" }, process, 1_000);
    expect(expectOk(verified).role).toBe("primary");
  });
});

describe("follow", () => {
  it("with a bounce attaches at once to a primary that was not ready the first time", async () => {
    const primary = await startRedis();
    const replica = await startRedis();
    const [p, r] = [connect({ socket: primary.socket }), connect({ socket: replica.socket })];
    const [pProcess, rProcess] = [await processOf(p), await processOf(r)];
    const upstream = { host: "127.0.0.1", port: primary.port };
    const follow = (bounce: boolean): RoleCommand => ({ kind: "follow", upstream, bounce });
    const promote = { ...PROMOTE, pauseMs: 1 };
    expectOk(await p.role(promote, pProcess, 1_000));
    expectOk(await r.role(follow(false), rProcess, 1_000));
    await until(async () => (await infoOf(r)).linkUp);
    expectOk(await r.role(DEMOTE, rProcess, 1_000));
    expectOk(await p.role(DEMOTE, pProcess, 1_000));
    expectOk(await r.role(follow(false), rProcess, 1_000));
    await until(async () => (await primary.client().info("errorstats")).includes("NOMASTERLINK"));
    expectOk(await p.role(promote, pProcess, 1_000));
    const bouncedAtMs = performance.now();
    expectOk(await r.role(follow(true), rProcess, 1_000));
    await until(async () => (await infoOf(r)).linkUp);
    expect(performance.now() - bouncedAtMs).toBeLessThan(500);
  });
});
