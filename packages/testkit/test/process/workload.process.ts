import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startBalancer, type Balancer } from "../../src/balancer/index.ts";
import {
  checkLedger,
  createLedger,
  startLoadThread,
  startWorkload,
  type Address,
  type Ledger,
  type Workload,
  type WorkloadOptions,
} from "../../src/workload/index.ts";
import { startRedis, type RedisProcess } from "./redis-process.ts";

const NO_LOSS = { lostConfirmed: 0, lostAcknowledged: 0, presentThoughRefused: 0 };

describe("the workload, on a primary and its replica", () => {
  let primary: RedisProcess;
  let replica: RedisProcess;
  let balancer: Balancer;
  let ledger: Ledger;
  let workload: Workload;

  beforeEach(async () => {
    [primary, replica] = await Promise.all([startRedis(), startRedis()]);
    const { host, port } = primary.address;
    await command(replica.address, (redis) => redis.replicaof(host, port));
    await command(primary.address, waitUntilConfirming);
    balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
    balancer.setTarget(primary.address);
    ledger = createLedger("test");
    workload = startWorkload(
      {
        name: "load",
        address: balancer.address,
        members: new Map([
          ["primary", primary.address],
          ["replica", replica.address],
        ]),
      },
      ledger,
    );
    if (!(await workload.flowing(5000))) throw new Error("no write was acknowledged within 5 s");
  });

  afterEach(async () => {
    await workload.stop();
    await balancer.close();
    await Promise.all([primary.kill(), replica.kill()]);
  });

  test("counts failures from the fault on, and tells of those before it", async () => {
    balancer.setTarget(null);
    await expect.poll(() => workload.state().failed).toBeGreaterThan(0);
    balancer.setTarget(primary.address);
    if (!(await workload.flowing(5000))) throw new Error("no write was acknowledged within 5 s");
    workload.restartGap();
    const { failed, failures } = workload.state();
    expect(failed).toBe(0);
    expect(failures[0]?.what).toMatch(/^load-writer-\d: /);
    expect(failures.every(({ sinceFaultMs }) => sinceFaultMs < 0)).toBe(true);
  });

  test("finds no loss, no error and one writable member while nothing happens", async () => {
    await workload.stop();
    const state = workload.state();
    expect(state.failed).toBe(0);
    expect(state.confirmed).toBeGreaterThan(0);
    expect(state.acknowledged).toBeGreaterThan(state.confirmed);
    expect(workload.writable()?.members).toEqual(["primary"]);
    expect(await checkLedger(ledger, { address: balancer.address })).toMatchObject(NO_LOSS);
  });

  test("measures the gap of a failover, and that confirmed writes survived it", async () => {
    await primary.kill();
    expect(await workload.flowing(300)).toBe(false);
    await command(replica.address, (redis) => redis.replicaof("NO", "ONE"));
    balancer.setTarget(replica.address);
    expect(await workload.flowing(5000)).toBe(true);
    await workload.stop();
    const state = workload.state();
    expect(state.gap.lengthMs).toBeGreaterThan(290);
    expect(state.failed).toBeGreaterThan(0);
    expect(workload.writable()?.members).toHaveLength(1);
    const check = await checkLedger(ledger, { address: balancer.address });
    expect(check.lostConfirmed).toBe(0);
  });

  test("sees two members that accept writes at once", async () => {
    await command(replica.address, (redis) => redis.replicaof("NO", "ONE"));
    await expect.poll(() => workload.writable()?.members.length, { timeout: 5000 }).toBe(2);
  });

  test("finds acknowledged writes that are gone", async () => {
    await expect.poll(() => workload.state().confirmed).toBeGreaterThan(20);
    await workload.stop();
    await command(primary.address, (redis) => redis.lpop("test:load-writer-0", 3));
    await command(primary.address, (redis) => redis.lpop("test:load-writer-1", 2));
    expect(await checkLedger(ledger, { address: balancer.address })).toMatchObject({
      lostConfirmed: 3,
      lostAcknowledged: 2,
    });
  });

  async function replaceBy(options: Partial<WorkloadOptions>): Promise<void> {
    await workload.stop();
    const members = new Map([["primary", primary.address]]);
    const name = "other";
    workload = startWorkload({ name, address: balancer.address, members, ...options }, ledger);
  }

  test("lets writers turn to another address when the first one takes no write", async () => {
    await replaceBy({ address: replica.address, otherAddress: primary.address });
    expect(await workload.flowing(5000)).toBe(true);
    expect(workload.state().failed).toBeGreaterThan(0);
  });

  test("has stubborn writers, which stay where they are refused until they are cut", async () => {
    balancer.setTarget(replica.address);
    await replaceBy({ areStubborn: true });
    // Each gives its first connections up by itself.
    await expect.poll(() => workload.state().failed, { timeout: 5000 }).toBeGreaterThan(100);
    balancer.setTarget(primary.address);
    expect(await workload.flowing(300)).toBe(false);
    await command(replica.address, (redis) => redis.call("CLIENT", "KILL", "TYPE", "normal"));
    expect(await workload.flowing(5000)).toBe(true);
  });

  test("does the same in a thread of its own, and ends with it", async () => {
    const thread = startLoadThread("threaded");
    const { load } = thread;
    await expect(load.state()).rejects.toThrow("there is no load yet");
    const members = new Map([["primary", primary.address]]);
    await load.start({ name: "load", address: balancer.address, members });
    expect(await load.flowing(5000)).toBe(true);
    expect((await load.state()).acknowledged).toBeGreaterThan(0);
    await load.stop();
    expect(await load.check({ address: balancer.address })).toMatchObject(NO_LOSS);
    const open = load.flowing(60_000);
    await thread.close();
    await expect(open).rejects.toThrow("the thread of the load has ended");
    await expect(load.state()).rejects.toThrow("the thread of the load has ended");
  });

  test("refuses to speak of losses when the primary cannot be read", async () => {
    await workload.stop();
    balancer.setTarget(null);
    await expect(checkLedger(ledger, { address: balancer.address })).rejects.toThrow(
      /no connection to 127\.0\.0\.1/,
    );
  });
});

/** Attached is not enough: a new replica gets the stream only after its first acknowledgement. */
async function waitUntilConfirming(redis: Redis): Promise<void> {
  await redis.set("first", "1");
  if ((await redis.wait(1, 5000)) < 1) throw new Error("the replica confirmed nothing within 5 s");
}

async function command(address: Address, run: (redis: Redis) => Promise<unknown>): Promise<void> {
  const redis = new Redis({ ...address, protocol: 2, retryStrategy: null });
  await run(redis);
  redis.disconnect();
}
