/** A world with pods whose Redis runs and whose sidecars do not: history is made by hand. */
import type { LeaseRecord } from "@leasehold/election";
import type { PersistenceMode } from "@leasehold/replication";
import { Random } from "../../src/random.ts";
import { Machine } from "../../src/simulation/machine.ts";
import { drawOptions } from "../../src/simulation/options.ts";
import { Pod } from "../../src/simulation/pod/pod.ts";
import type { RedisServer } from "../../src/simulation/redis/server.ts";
import { Volume } from "../../src/simulation/redis/volume.ts";
import { Timeline } from "../../src/simulation/timeline.ts";
import { World } from "../../src/simulation/world.ts";

export class WorldBench {
  readonly world: World;
  readonly pods: Pod[] = [];
  private epoch = 0;

  constructor(members: number, mode: PersistenceMode = "aof") {
    const random = new Random(5);
    const wish = { members, mode, fullSyncMs: 20, loadMs: 10 };
    const timeline = new Timeline({ keepAll: true, traceFromMs: Infinity });
    this.world = new World(random, drawOptions(random, wish), timeline);
    this.world.store.replicas = members;
    for (let ordinal = 0; ordinal < members; ordinal += 1) this.addPod(ordinal);
    this.run(500);
  }

  /** A pod with a running, gated Redis. */
  private addPod(ordinal: number): void {
    const { world } = this;
    const address = ordinal + 1;
    const place = { name: `node-${ordinal}`, address };
    const machine = new Machine(world.clock, place, { rate: 1, uptimeMs: 0 });
    const name = world.memberName(ordinal);
    const pod = new Pod(world, {
      name,
      ordinal,
      uid: `u${ordinal}`,
      machine,
      volume: new Volume(world.options.mode),
      revision: "rev-1",
      label: name,
    });
    pod.tmpfs.permit = { kind: "follow", nonce: "n" };
    world.machines.push(machine);
    world.pods.push(pod);
    this.pods.push(pod);
    pod.startGuard();
  }

  pod(ordinal: number): Pod {
    const pod = this.pods[ordinal];
    if (pod === undefined) throw new Error(`the bench has no pod ${ordinal}`);
    return pod;
  }

  redis(ordinal: number): RedisServer {
    const { redis } = this.pod(ordinal);
    if (redis === null) throw new Error(`Redis of pod ${ordinal} does not run`);
    return redis;
  }

  identity(ordinal: number): string {
    return `${this.pod(ordinal).name}_u${ordinal}_n`;
  }

  /** A permit that outlives the test. */
  permit(ordinal: number, forMs = 1e9): void {
    const pod = this.pod(ordinal);
    const deadlineBootMs = pod.machine.instant().bootMs + forMs;
    pod.tmpfs.permit = { kind: "lead", deadlineBootMs, nonce: "n" };
  }

  /** The whole promotion, as it should be: permit, promotion, lineage in the Lease. */
  lead(ordinal: number): void {
    this.epoch += 1;
    this.permit(ordinal);
    const redis = this.redis(ordinal);
    redis.promote();
    redis.ensureBacklog();
    this.world.judge.promoted(redis, this.epoch);
    this.putLease(ordinal);
  }

  putLease(ordinal: number, change: Partial<LeaseRecord> = {}): void {
    const { store } = this.world;
    const { replid, offset } = this.redis(ordinal);
    const before = store.lease?.record.lineage ?? [];
    const entry = { epoch: this.epoch, replid, startOffset: offset, parent: null };
    const members = Object.fromEntries(
      this.pods.map((pod) => [pod.name, { attached: true, position: null }]),
    );
    const record: LeaseRecord = {
      holder: this.identity(ordinal),
      durationMs: 5_000,
      transitions: this.epoch,
      epoch: this.epoch,
      attempt: `n.${this.world.clock.nowMs}`,
      lineage: [...before, entry],
      members,
      position: null,
      handover: null,
      released: null,
      paused: false,
      ...change,
    };
    const { lease } = store;
    if (lease === null) store.postLease(record);
    else store.putLease({ uid: lease.uid, resourceVersion: lease.resourceVersion, record });
  }

  demote(ordinal: number): void {
    this.redis(ordinal).follow({ host: "127.0.0.1", port: 1 });
    this.pod(ordinal).tmpfs.permit = { kind: "follow", nonce: "n" };
  }

  follow(ordinal: number, leader: number): void {
    this.redis(ordinal).follow(this.pod(leader).redisAddress);
    this.run(1_300);
  }

  /** Acknowledged writes, confirmed by `copies` replicas. */
  write(ordinal: number, copies = 0): void {
    const { ledger, judge, clock } = this.world;
    const write = ledger.open("address");
    this.redis(ordinal).writes.put({
      id: write.id,
      bytes: 50,
      waitMs: 0,
      connection: null,
      answer: (answer) => {
        if (answer.error !== null) return;
        write.acknowledgedMs = clock.nowMs;
        write.copies = copies;
        judge.acknowledged(write);
      },
    });
  }

  run(ms: number): void {
    this.world.clock.runUntil(this.world.clock.nowMs + ms);
  }

  get broken(): string | null {
    return this.world.violation?.checker ?? null;
  }
}
