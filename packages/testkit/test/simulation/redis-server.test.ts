import { describe, expect, it } from "vitest";
import { writesIn } from "../../src/simulation/redis/history.ts";
import { GATE } from "../../src/simulation/redis/follower.ts";
import { RedisBench } from "./redis-bench.ts";

describe("writes to the modelled Redis", () => {
  it("refuses writes behind its gate", () => {
    const bench = new RedisBench();
    expect(bench.write(bench.add("a"))).toEqual([{ error: "READONLY" }]);
  });

  it("holds writes in a pause, which ends by itself", () => {
    const bench = new RedisBench();
    const a = bench.add("a");
    bench.promote(a);
    a.server.writes.pause(500);
    const answers = bench.write(a);
    bench.run(400);
    expect(answers).toEqual([]);
    bench.run(200);
    expect(answers).toEqual([{ error: null, copies: 0 }]);
  });

  it("answers held writes with READONLY when it was demoted meanwhile", () => {
    const bench = new RedisBench();
    const a = bench.add("a");
    bench.promote(a);
    a.server.writes.pause(500);
    const held = bench.write(a);
    a.server.follow(GATE);
    const late = bench.write(a);
    expect(late).toEqual([{ error: "READONLY" }]);
    a.server.writes.unpause();
    expect(held).toEqual([{ error: "READONLY" }]);
  });

  it("never answers a held write whose connection was cut", () => {
    const bench = new RedisBench();
    const a = bench.add("a");
    bench.promote(a);
    a.server.writes.pause(500);
    const held = bench.write(a);
    a.server.cutClients(null);
    bench.run(600);
    expect(held).toEqual([]);
    expect(writesIn(a.server.head)).toBe(0);
  });

  it("confirms by WAIT only what a replica has acknowledged", () => {
    const bench = new RedisBench();
    const [a, b] = [bench.add("a"), bench.add("b")];
    bench.promote(a);
    const alone = bench.write(a, 1, 200);
    bench.run(300);
    expect(alone).toEqual([{ error: null, copies: 0 }]);
    bench.follow(b, a);
    const confirmed = bench.write(a, 1, 200);
    bench.run(50);
    expect(confirmed).toEqual([{ error: null, copies: 1 }]);
  });

  it("unblocks those who wait when it is demoted", () => {
    const bench = new RedisBench();
    const a = bench.add("a");
    bench.promote(a);
    const answers = bench.write(a, 1, 900);
    a.server.follow(GATE);
    expect(answers).toEqual([{ error: "UNBLOCKED" }]);
  });

  it("does not apply its master's stream while it is paused", () => {
    const bench = new RedisBench();
    const [a, b] = [bench.add("a"), bench.add("b")];
    bench.promote(a);
    bench.follow(b, a);
    b.server.writes.pause(1_000);
    bench.write(a, 2);
    bench.run(900);
    expect(writesIn(b.server.head)).toBe(0);
    bench.run(200);
    expect(writesIn(b.server.head)).toBe(2);
  });

  it("refuses writes below min-replicas-to-write", () => {
    const bench = new RedisBench();
    const a = bench.add("a");
    bench.promote(a);
    a.server.minReplicas = 1;
    expect(bench.write(a)).toEqual([{ error: "NOREPLICAS" }]);
  });

  it("executes what a stopped process was sent, each connection in its order", () => {
    const bench = new RedisBench();
    const a = bench.add("a");
    bench.promote(a);
    a.server.stopped = true;
    const order: string[] = [];
    const [one, two] = [bench.connection(a), bench.connection(a)];
    for (const name of ["1a", "1b", "1c"]) a.server.submit(one, () => order.push(name));
    for (const name of ["2a", "2b", "2c"]) a.server.submit(two, () => order.push(name));
    expect(order).toEqual([]);
    a.server.stopped = false;
    a.server.resumed();
    bench.run(5);
    expect(order.filter((name) => name.startsWith("1"))).toEqual(["1a", "1b", "1c"]);
    expect(order.filter((name) => name.startsWith("2"))).toEqual(["2a", "2b", "2c"]);
  });

  it("says nothing for the first second of a script, then BUSY, and then writes", () => {
    const bench = new RedisBench();
    const a = bench.add("a");
    bench.promote(a);
    const script = { id: 99, bytes: 10, waitMs: 0, connection: null, answer: () => undefined };
    a.server.runScript(3_000, script);
    const answers = bench.write(a);
    expect(answers).toEqual([]);
    bench.run(1_100);
    expect(answers).toEqual([{ error: "BUSY" }]);
    bench.run(2_000);
    expect(writesIn(a.server.head)).toBe(1);
  });
});

describe("what a restart leaves", () => {
  it("forgets the replid of an AOF, and keeps all data when only the process died", () => {
    const bench = new RedisBench();
    const a = bench.add("a", "aof");
    bench.promote(a);
    bench.write(a, 5);
    const { replid } = a.server;
    a.server.end("exit");
    bench.restart(a);
    expect(writesIn(a.server.head)).toBe(5);
    expect(a.server.replid).not.toBe(replid);
    expect(a.server.offset).toBe(0);
  });

  it("may leave another offset under a random replid, as Redis 8 does", () => {
    const bench = new RedisBench();
    const a = bench.add("a", "aof");
    bench.promote(a);
    bench.write(a, 5);
    a.server.end("exit");
    bench.restart(a, 33_583);
    expect(a.server.offset).toBe(33_583);
    expect(writesIn(a.server.head)).toBe(5);
  });

  it("loses the tail of an AOF that was not fsynced with the power", () => {
    const bench = new RedisBench();
    const a = bench.add("a", "aof");
    bench.promote(a);
    bench.write(a, 5);
    bench.run(1_500);
    bench.write(a, 1);
    bench.run(1_100);
    bench.write(a, 3);
    a.server.end("power");
    a.volume.losePower(bench.clock.nowMs, bench.random);
    bench.restart(a);
    expect(writesIn(a.server.head)).toBe(6);
  });

  it("keeps replid and offset of the last snapshot of an RDB", () => {
    const bench = new RedisBench({ snapshotMs: 1_000 });
    const a = bench.add("a", "rdb");
    bench.promote(a);
    bench.write(a, 5);
    bench.run(1_100);
    const { replid, offset } = a.server;
    bench.write(a, 5);
    a.server.end("exit");
    bench.restart(a);
    expect(a.server.replid).toBe(replid);
    expect(a.server.offset).toBe(offset);
    expect(writesIn(a.server.head)).toBe(5);
  });

  it("is empty without persistence", () => {
    const bench = new RedisBench();
    const a = bench.add("a", "none");
    bench.promote(a);
    bench.write(a, 5);
    a.server.end("exit");
    bench.restart(a);
    expect(writesIn(a.server.head)).toBe(0);
  });

  it("finds the old AOF when it died after a full sync and before the rewrite", () => {
    const bench = new RedisBench({ loadMs: 1_000 });
    const [a, b] = [bench.add("a"), bench.add("b")];
    bench.promote(b);
    bench.write(b, 2);
    b.server.follow(GATE);
    bench.promote(a);
    bench.write(a, 7);
    bench.follow(b, a, 1_200);
    expect(writesIn(b.server.head)).toBe(7);
    expect(b.server.info().rewriting).toBe(true);
    b.server.end("exit");
    bench.restart(b);
    bench.run(1_100);
    expect(writesIn(b.server.head)).toBe(2);
  });

  it("waits for lagging replicas at SIGTERM, and leaves everything on disk", () => {
    const bench = new RedisBench();
    const [a, b] = [bench.add("a"), bench.add("b")];
    bench.promote(a);
    bench.follow(b, a);
    bench.network.delay(a.site.machine.address, b.site.machine.address, 2_000);
    bench.write(a, 4);
    a.server.shutdown(10_000);
    bench.run(900);
    expect(a.server.alive).toBe(true);
    bench.run(3_000);
    expect(a.server.alive).toBe(false);
    expect(writesIn(b.server.head)).toBe(4);
  });
});
