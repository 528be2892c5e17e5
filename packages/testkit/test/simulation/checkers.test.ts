import { describe, expect, it } from "vitest";
import { unrest, isHopeless } from "../../src/simulation/checkers/progress.ts";
import { Segment } from "../../src/simulation/redis/history.ts";
import { WorldBench } from "./world-bench.ts";

/** r-0 leads, the others follow, some writes were acknowledged. */
function group(members = 3): WorldBench {
  const bench = new WorldBench(members);
  bench.lead(0);
  for (let ordinal = 1; ordinal < members; ordinal += 1) bench.follow(ordinal, 0);
  for (let i = 0; i < 5; i += 1) bench.write(0, 1);
  bench.run(100);
  return bench;
}

describe("the checkers", () => {
  it("have nothing to say about a clean change of leader", () => {
    const bench = group();
    bench.demote(0);
    bench.lead(1);
    bench.follow(0, 1);
    bench.follow(2, 1);
    bench.write(1);
    bench.world.judge.sampled();
    expect(bench.world.violation).toBeNull();
  });

  it("notice two members that accept writes", () => {
    const bench = group();
    bench.lead(1);
    expect(bench.broken).toBe("one writer");
  });

  it("allow a thawed primary one second, and no more", () => {
    const bench = group();
    const old = bench.pod(0);
    old.frozen = true;
    bench.world.judge.redisChanged(bench.redis(0));
    bench.lead(1);
    old.exemptUntilMs = bench.world.clock.nowMs + 1_000;
    old.frozen = false;
    old.resumed();
    bench.run(900);
    expect(bench.broken).toBeNull();
    bench.run(200);
    expect(bench.broken).toBe("one writer");
  });

  it("notice a primary without a lead permit, also for an instant", () => {
    const bench = new WorldBench(1);
    bench.redis(0).promote();
    expect(bench.broken).toBe("permit");
  });

  it("notice a permit that is taken from a primary", () => {
    const bench = group();
    bench.pod(0).tmpfs.permit = { kind: "follow", nonce: "n" };
    bench.world.judge.permitWritten(bench.pod(0));
    expect(bench.broken).toBe("permit");
  });

  it("notice writes after the permit's deadline, where no guard kills", () => {
    const bench = group();
    const { guard } = bench.pod(0);
    if (guard !== null) guard.alive = false;
    bench.permit(0, 100);
    bench.run(400);
    bench.world.judge.sampled();
    expect(bench.broken).toBeNull();
    bench.run(200);
    bench.world.judge.sampled();
    expect(bench.broken).toBe("permit");
  });

  it("notice writes under a replid that nobody knows", () => {
    const bench = new WorldBench(2);
    bench.permit(0);
    bench.redis(0).promote();
    bench.redis(0).ensureBacklog();
    bench.world.judge.promoted(bench.redis(0), 1);
    bench.write(0);
    expect(bench.broken).toBe("lineage");
  });

  it("notice a replid that changes by itself", () => {
    const bench = new WorldBench(2);
    bench.permit(0);
    bench.redis(0).promote();
    bench.world.judge.promoted(bench.redis(0), 1);
    bench.putLease(0);
    bench.write(0);
    expect(bench.broken).toBeNull();
    bench.follow(1, 0);
    bench.write(0);
    expect(bench.broken).toBe("lineage");
  });

  it("notice one epoch that names two replids", () => {
    const bench = group();
    bench.demote(0);
    const redis = bench.redis(1);
    bench.permit(1);
    redis.promote();
    redis.ensureBacklog();
    bench.world.judge.promoted(redis, 1);
    const lineage = [{ epoch: 1, replid: redis.replid, startOffset: 0, parent: null }];
    bench.world.store.editSlice({ epoch: 1, holder: null, lineage, address: null });
    bench.write(1);
    expect(bench.broken).toBe("lineage");
  });

  it("notice an empty leader beside a full member", () => {
    const bench = group();
    bench.demote(0);
    bench.redis(2).end("exit");
    bench.pod(2).volume.wipe(false);
    bench.run(200);
    bench.lead(2);
    expect(bench.broken).toBe("founder");
  });

  it("allow a replica without a byte in a group's first seconds, but not one that restarted", () => {
    for (const restarts of [false, true]) {
      const bench = new WorldBench(3, "rdb");
      bench.lead(0);
      for (const ordinal of [1, 2]) bench.follow(ordinal, 0);
      bench.redis(1).follow({ host: "127.0.0.1", port: 1 });
      bench.world.faults.begin(["r-0", "r-2"], bench.world.clock.nowMs);
      bench.write(0, 1);
      bench.run(100);
      bench.redis(0).end("exit");
      if (restarts) bench.redis(1).end("exit");
      bench.run(200);
      bench.lead(1);
      expect(bench.broken).toBe(restarts ? "founder" : null);
    }
  });

  it("notice a group that is founded anew although the Lease tells of data", () => {
    const bench = group(1);
    bench.redis(0).end("exit");
    bench.pod(0).volume.wipe(false);
    bench.run(200);
    bench.lead(0);
    expect(bench.broken).toBe("founder");
  });

  it("notice a leader with another group's data", () => {
    const bench = new WorldBench(2, "rdb");
    const segment = new Segment(null, 0, true);
    segment.push(100, true);
    bench.pod(0).volume.plant({ head: { segment, length: 1 }, replid: "foreign", offset: 100 });
    bench.redis(0).end("exit");
    bench.run(200);
    bench.lead(0);
    expect(bench.broken).toBe("founder");
  });

  it("notice a promotion over a better copy that was well", () => {
    const bench = group();
    bench.redis(2).follow({ host: "127.0.0.1", port: 1 });
    bench.write(0);
    bench.run(2_000);
    bench.demote(0);
    bench.lead(2);
    expect(bench.broken).toBe("durability");
  });

  it("allow a promotion over a copy that got what a partition held up, and not over one that had it", () => {
    for (const isLate of [true, false]) {
      const bench = group();
      const { network, clock, faults } = bench.world;
      bench.redis(2).follow({ host: "127.0.0.1", port: 1 });
      faults.begin(["r-0"], clock.nowMs - 20_000);
      if (isLate) network.cut(1, 2);
      bench.write(0);
      bench.run(2_000);
      if (isLate) network.heal(1, 2);
      bench.run(100);
      bench.demote(0);
      bench.lead(2);
      expect(bench.broken).toBe(isLate ? null : "durability");
    }
  });

  it("notice a confirmed write that is lost although only one member had a fault", () => {
    const bench = group();
    const touch = bench.world.faults.begin(["r-0"], bench.world.clock.nowMs);
    bench.redis(2).follow({ host: "127.0.0.1", port: 1 });
    bench.write(0, 1);
    bench.run(50);
    bench.redis(1).end("exit");
    bench.demote(0);
    bench.world.faults.end(touch, bench.world.clock.nowMs, 0);
    bench.lead(2);
    expect(bench.broken).toBe("durability");
  });

  it("allow the loss of plain writes with their primary, and of confirmed ones with two members", () => {
    const bench = group();
    bench.redis(1).follow({ host: "127.0.0.1", port: 1 });
    bench.redis(2).follow({ host: "127.0.0.1", port: 1 });
    bench.world.faults.begin(["r-0"], bench.world.clock.nowMs);
    bench.write(0);
    bench.redis(0).end("exit");
    bench.lead(1);
    expect(bench.broken).toBeNull();
  });

  it("notice a hand-over to a member that lacks bytes, though its first renewal removed the note", () => {
    const bench = group();
    bench.redis(1).follow({ host: "127.0.0.1", port: 1 });
    bench.world.faults.begin(["r-0", "r-1", "api"], bench.world.clock.nowMs);
    bench.write(0);
    bench.demote(0);
    const { offset, replid } = bench.redis(0);
    const [from, to] = [bench.identity(0), bench.identity(1)];
    const handover = { from, to, offset, replid, equal: true, request: null };
    bench.pod(1).sidecar = { identity: to } as never;
    bench.putLease(0, { holder: to, epoch: 2, handover });
    bench.putLease(1, { epoch: 2 });
    bench.lead(1);
    expect(bench.broken).toBe("durability");
  });

  it("notice the release of a planned stop that is answered by a copy behind it", () => {
    const bench = group();
    bench.pod(0).terminating = true;
    bench.redis(1).follow({ host: "127.0.0.1", port: 1 });
    bench.world.faults.begin(["r-0", "r-1", "api"], bench.world.clock.nowMs);
    bench.write(0);
    bench.demote(0);
    const position = { epoch: 1, offset: bench.redis(0).offset, replid: "x" };
    const released = { by: bench.identity(0), position, clean: true };
    bench.putLease(0, { holder: null, epoch: 2, released });
    bench.lead(1);
    expect(bench.broken).toBe("durability");
  });

  it("notice acknowledged writes that are gone without any promotion", () => {
    const bench = group();
    const redis = bench.redis(0);
    bench.write(0);
    redis.head = { segment: redis.head.segment, length: 1 };
    bench.world.judge.ended();
    expect(bench.broken).toBe("durability");
  });

  it("notice a partial resync over histories that differ", () => {
    const bench = group();
    bench.world.judge.diverged(bench.redis(1), bench.redis(0));
    expect(bench.broken).toBe("lineage");
  });

  it("notice an epoch that falls, but not after a hand edit", () => {
    const bench = group();
    const record = bench.world.store.lease?.record;
    if (record === undefined) throw new Error("no Lease");
    bench.world.store.editLease({ ...record, epoch: 0 });
    expect(bench.broken).toBeNull();
    bench.putLease(0, { epoch: 5 });
    bench.putLease(0, { epoch: 4 });
    expect(bench.broken).toBe("epochs");
  });

  it("notice a slice that names another, once the run has ended", () => {
    const bench = group();
    bench.world.store.editSlice({
      epoch: 1,
      holder: bench.identity(0),
      lineage: [],
      address: bench.pod(1).redisAddress,
    });
    bench.world.judge.ended();
    expect(bench.broken).toBe("address");
  });

  it("notice two rights at once, and writes that go on without one", () => {
    const bench = group();
    const right = { status: () => ({ validMs: 1_000 }), alive: true, isRunning: () => true };
    const event = { type: "leaseWritten" } as never;
    const [a, b] = [bench.pod(0), bench.pod(1)];
    a.sidecar = { ...right, pod: a, nonce: "n" } as never;
    b.sidecar = { ...right, pod: b, nonce: "n" } as never;
    bench.world.judge.decided(b.sidecar, event, []);
    expect(bench.broken).toBe("one right");
  });

  it("notice writes that go on without a right", () => {
    const bench = group();
    const pod = bench.pod(0);
    const status = (): object => ({ validMs: 0 });
    pod.sidecar = { status, alive: true, isRunning: () => true, pod, nonce: "n" } as never;
    for (let i = 0; i < 10; i += 1) bench.world.judge.sampled();
    expect(bench.broken).toBe("one right");
  });

  it("notice a member that never comes to rest, and a broken invariant of the core", () => {
    const bench = group();
    const pod = bench.pod(2);
    pod.sidecar = { pod, alive: false } as never;
    const tick = { type: "tick" } as never;
    for (let i = 0; i < 4_000; i += 1) bench.world.judge.decided(pod.sidecar, tick, []);
    expect(bench.broken).toBe("turns");
    const other = group();
    const words = { type: "announce", reason: "invariant", epoch: 1, words: "x", change: null };
    const sidecar = { pod: other.pod(0), alive: false } as never;
    other.world.judge.decided(sidecar, tick, [words as never]);
    expect(other.broken).toBe("core invariant");
  });
});

describe("progress", () => {
  it("names what is missing for a whole group", () => {
    const bench = group();
    expect(unrest(bench.world)).toBe(`the Lease names ${bench.identity(0)}`);
    bench.demote(0);
    expect(unrest(bench.world)).toBe("nobody accepts writes");
  });

  it("calls it hopeless only when nobody has the group's data any more", () => {
    const bench = group(2);
    expect(isHopeless(bench.world)).toBe(false);
    for (const ordinal of [0, 1]) {
      bench.redis(ordinal).end("exit");
      bench.pod(ordinal).volume.wipe(false);
    }
    bench.run(1_500);
    expect(isHopeless(bench.world)).toBe(true);
  });
});
