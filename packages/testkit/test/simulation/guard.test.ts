import { describe, expect, it } from "vitest";
import { Proxy } from "../../src/simulation/clients/proxy.ts";
import { WorldBench } from "./world-bench.ts";

describe("the modelled guard", () => {
  it("does not start Redis without a readable permit", () => {
    const bench = new WorldBench(1);
    const pod = bench.pod(0);
    pod.tmpfs.permit = null;
    bench.run(600);
    expect(pod.redis).toBeNull();
    expect(pod.tmpfs.guard?.state).toBe("killed");
    pod.tmpfs.permit = { kind: "follow", nonce: "n" };
    bench.run(3_000);
    expect(pod.redis?.alive).toBe(true);
    expect(pod.tmpfs.guard?.state).toBe("running");
  });

  it("kills at most 0.35 s after the deadline of a lead permit, and not before it", () => {
    const bench = new WorldBench(1);
    bench.permit(0, 2_000);
    bench.run(1_990);
    expect(bench.pod(0).redis?.alive).toBe(true);
    bench.run(360);
    expect(bench.pod(0).redis).toBeNull();
    // A permit that has run out starts nothing either.
    bench.run(3_000);
    expect(bench.pod(0).redis).toBeNull();
  });

  it("restarts a crashed Redis at once, then more and more slowly", () => {
    const bench = new WorldBench(1);
    const pod = bench.pod(0);
    pod.redis?.end("exit");
    bench.run(300);
    expect(pod.redis?.alive).toBe(true);
    pod.redis?.end("exit");
    bench.run(700);
    expect(pod.redis).toBeNull();
    bench.run(700);
    expect(pod.redis).not.toBeNull();
  });

  it("kills on request, but only this process of this life of its own", () => {
    const bench = new WorldBench(1);
    const pod = bench.pod(0);
    const pid = pod.redis?.pid ?? -1;
    pod.tmpfs.killRequest = { bootId: "an-older-one", pid };
    bench.run(600);
    expect(pod.redis?.pid).toBe(pid);
    pod.tmpfs.killRequest = { bootId: pod.tmpfs.guard?.bootId ?? "", pid };
    bench.run(300);
    expect(pod.redis?.pid).not.toBe(pid);
  });

  it("counts its children from the same pid in each life", () => {
    const bench = new WorldBench(1);
    const pod = bench.pod(0);
    const first = pod.redis?.pid;
    pod.guard?.end("kill");
    pod.startGuard();
    bench.run(600);
    expect(pod.redis?.pid).toBe(first);
  });

  it("does nothing while its container is frozen", () => {
    const bench = new WorldBench(1);
    const pod = bench.pod(0);
    bench.permit(0, 500);
    pod.frozen = true;
    bench.run(5_000);
    expect(pod.redis?.alive).toBe(true);
    pod.frozen = false;
    pod.resumed();
    bench.run(600);
    expect(pod.redis).toBeNull();
  });
});

describe("the modelled kube-proxy", () => {
  it("follows the slice, at most once a second", () => {
    const bench = new WorldBench(2);
    const { store, clock } = bench.world;
    const proxy = new Proxy(bench.world, 30);
    bench.run(1_200);
    const name = (ordinal: number): void =>
      store.editSlice({
        epoch: ordinal,
        holder: null,
        lineage: [],
        address: bench.pod(ordinal).redisAddress,
      });
    name(0);
    bench.run(120);
    expect(proxy.target?.host).toBe(bench.pod(0).host);
    const changedMs = clock.nowMs;
    name(1);
    bench.run(500);
    expect(proxy.target?.host).toBe(bench.pod(0).host);
    while (proxy.target?.host !== bench.pod(1).host) bench.run(10);
    expect(clock.nowMs - changedMs).toBeGreaterThan(850);
    expect(clock.nowMs - changedMs).toBeLessThan(1_200);
  });
});
