import { describe, expect, it } from "vitest";
import { writesIn } from "../../src/simulation/redis/history.ts";
import { GATE } from "../../src/simulation/redis/follower.ts";
import { RedisBench } from "./redis-bench.ts";

/** A leads with two replicas in sync and some writes. */
function group(options = {}) {
  const bench = new RedisBench(options);
  const [a, b, c] = [bench.add("a"), bench.add("b"), bench.add("c")];
  bench.promote(a);
  bench.follow(b, a);
  bench.follow(c, a);
  bench.run(1_100);
  bench.write(a, 10);
  bench.run(50);
  return { bench, a, b, c };
}

describe("replication of the modelled Redis", () => {
  it("brings every byte to the replicas, by one full sync each", () => {
    const { bench, a, b, c } = group();
    expect(bench.fullSyncs).toEqual(["a>b", "a>c"]);
    for (const replica of [b, c]) {
      expect(replica.server.offset).toBe(a.server.offset);
      expect(writesIn(replica.server.head)).toBe(10);
      expect(replica.server.replid).toBe(a.server.replid);
    }
  });

  it("keeps its replicas when it is demoted to nothing, and they drain what is left", () => {
    const { bench, a, b } = group();
    bench.network.delay(a.site.machine.address, b.site.machine.address, 100);
    bench.write(a, 5);
    a.server.follow(GATE);
    expect(writesIn(b.server.head)).toBe(10);
    bench.run(400);
    expect(writesIn(b.server.head)).toBe(15);
    expect(b.server.isLinkUp).toBe(true);
  });

  it("destroys acknowledged writes in a ring: demoted towards a replica that lacks bytes", () => {
    const bench = new RedisBench({ fullSyncMs: 2, loadMs: 1 });
    const [a, b] = [bench.add("a"), bench.add("b")];
    bench.promote(a);
    bench.follow(b, a);
    bench.write(a, 3);
    bench.run(50);
    bench.network.delay(a.site.machine.address, b.site.machine.address, 50);
    bench.write(a, 2);
    a.server.follow({ host: "b", port: 6379 });
    bench.run(1_500);
    expect(bench.fullSyncs).toContain("b>a");
    expect(writesIn(a.server.head)).toBe(3);
    expect(writesIn(b.server.head)).toBe(3);
  });

  it("lets the others continue partially after a promotion, by the second replid", () => {
    const { bench, a, b, c } = group();
    a.server.follow(GATE);
    bench.promote(b);
    bench.follow(a, b);
    bench.follow(c, b);
    bench.write(b, 2);
    bench.run(50);
    expect(bench.fullSyncs).toHaveLength(2);
    expect([a, c].map((one) => writesIn(one.server.head))).toEqual([12, 12]);
    expect(c.server.replid2).toBe(a.server.replid2);
  });

  it("clears the second replid of a server that was fully synced", () => {
    const { bench, b, c } = group();
    c.server.end("exit");
    bench.promote(b);
    bench.restart(c);
    bench.follow(c, b);
    expect(bench.fullSyncs.at(-1)).toBe("b>c");
    expect(c.server.replid2).toBeNull();
    expect(b.server.replid2).not.toBeNull();
  });

  it("refuses a replica while its own link is down, which then tries again within a second", () => {
    const { bench, a, b, c } = group();
    a.server.follow(GATE);
    c.server.follow({ host: "b", port: 6379 });
    b.server.follow(GATE);
    bench.run(1);
    b.server.promote();
    bench.run(5);
    expect(c.server.isLinkUp).toBe(false);
    bench.run(1_010);
    expect(c.server.isLinkUp).toBe(true);
  });

  it("attaches at once when it bounces over the gate instead", () => {
    const { bench, a, b, c } = group();
    a.server.follow(GATE);
    b.server.follow(GATE);
    c.server.follow({ host: "b", port: 6379 });
    bench.run(3);
    b.server.promote();
    c.server.follow(GATE);
    c.server.follow({ host: "b", port: 6379 });
    bench.run(8);
    expect(c.server.isLinkUp).toBe(true);
    expect(bench.fullSyncs).toHaveLength(2);
  });

  it("needs a full sync where the backlog is too short", () => {
    const { bench, a, b } = group({ backlogBytes: 500 });
    b.server.follow(GATE);
    bench.write(a, 20);
    bench.run(50);
    bench.follow(b, a);
    expect(bench.fullSyncs.filter((sync) => sync === "a>b")).toHaveLength(2);
  });

  it("counts no bytes without a backlog, and changes its replid with its first replica", () => {
    const bench = new RedisBench();
    const [a, b] = [bench.add("a"), bench.add("b")];
    a.server.promote();
    const promoted = a.server.replid;
    bench.write(a, 3);
    expect(a.server.offset).toBe(0);
    bench.follow(b, a);
    expect(a.server.replid).not.toBe(promoted);
    expect(a.server.replid2).toBeNull();
    bench.write(a, 1);
    expect(a.server.offset).toBe(100);
  });

  it("notices when a partial resync joins two histories that differ", () => {
    const { bench, a, b } = group();
    b.server.follow(GATE);
    bench.write(a, 1);
    bench.run(20);
    b.server.role = "primary";
    bench.write(b, 1);
    b.server.follow({ host: "a", port: 6379 });
    bench.run(50);
    expect(bench.diverged).toEqual(["b"]);
  });

  it("moves the offset by 14 bytes each ten seconds while it has replicas", () => {
    const { bench, a } = group();
    const before = a.server.offset;
    bench.run(20_000);
    expect(a.server.offset - before).toBe(28);
  });

  it("finds a silent upstream only by its time-out when the machine lost power", () => {
    const { bench, a, b } = group();
    a.site.machine.powerOff();
    a.server.end("power");
    bench.run(5_000);
    expect(b.server.isLinkUp).toBe(true);
    bench.run(6_500);
    expect(b.server.isLinkUp).toBe(false);
  });
});
