/**
 * Row 30: the leader changes each second, and nothing of the client may grow: heap, timers,
 * listeners, sockets, event emitters. Two real servers, the status stream and a Service in front.
 *
 * At work are plain writes, writes with a concern, transactions, reads from the replica, a blocking
 * pop and a subscription. Of the changes, in turn: announced; announced with a kill; the leader's
 * death, which the replica has caught up with; unannounced. Each sample is taken at rest.
 */
import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { queryObjects, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Redis } from "ioredis";
import { startBalancer, type Balancer } from "@leasehold/testkit/balancer";
import {
  createLeasehold,
  outcomeOf,
  serviceTopology,
  statusTopology,
  type Leasehold,
} from "../../src/index.ts";
import { startStatus, type FakeStatus } from "../process/fake-status.ts";
import {
  caughtUp,
  startPair,
  stopAll,
  switchOver,
  until,
  type RealRedis,
} from "../process/real-redis.ts";
import { growthOf } from "./growth.ts";
import { markdown, type Report } from "./report.ts";

/** What moves by itself: a heap breathes, and a sample may meet a probe or two that wait. */
const ALLOWED = { heap: 128 * 1024, timers: 4, listeners: 0, sockets: 0, emitters: 0 };

interface Sample {
  readonly heap: number;
  readonly timers: number;
  readonly listeners: number;
  readonly sockets: number;
  readonly emitters: number;
}

interface Scene {
  readonly client: Leasehold;
  readonly connections: readonly Redis[];
  readonly status: FakeStatus;
  readonly balancer: Balancer;
  leader: RealRedis;
  other: RealRedis;
  epoch: number;
}

export async function soak(seconds: number, eachMs = 1_000): Promise<Report> {
  const scene = await openScene();
  const load = startLoad(scene);
  const samples: Sample[] = [];
  const tookMs: number[] = [];
  const endMs = performance.now() + seconds * 1_000;
  while (performance.now() < endMs) {
    const startedAtMs = performance.now();
    await CHANGES[tookMs.length % CHANGES.length]?.(scene);
    tookMs.push(performance.now() - startedAtMs);
    if (tookMs.length % CHANGES.length === 0) {
      await load.rest();
      await until(() => scene.connections.every(({ status }) => status === "ready"));
      samples.push(await takeSample(scene));
      load.goOn();
    }
    await sleep(Math.max(0, eachMs - (performance.now() - startedAtMs)));
  }
  await load.stop();
  await scene.client.close();
  await scene.balancer.close();
  await scene.status.close();
  await stopAll();
  return report(tookMs.length, samples, load.counts);
}

async function openScene(): Promise<Scene> {
  const [leader, other] = await startPair();
  const status = await startStatus({ a: leader, b: other });
  const balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
  balancer.setTarget({ host: leader.host, port: leader.port });
  await status.push(1, leader);
  const writer = `127.0.0.1:${balancer.address.port}`;
  const client = createLeasehold({
    topology: [statusTopology({ endpoints: [status.endpoint] }), serviceTopology({ writer })],
  });
  const connections = [client.leader, client.connection(), client.connection()];
  await Promise.all(connections.map((connection) => connection.ping()));
  return { client, connections, status, balancer, leader, other, epoch: 1 };
}

async function moved(scene: Scene): Promise<void> {
  scene.epoch += 1;
  [scene.leader, scene.other] = [scene.other, scene.leader];
  scene.balancer.setTarget({ host: scene.leader.host, port: scene.leader.port });
  await scene.status.push(scene.epoch, scene.leader);
}

const CHANGES: readonly ((scene: Scene) => Promise<void>)[] = [
  async (scene) => {
    scene.status.announce(scene.epoch, 500);
    await switchOver(scene.leader, scene.other);
    await moved(scene);
  },
  async (scene) => {
    scene.status.announce(scene.epoch, 500);
    await switchOver(scene.leader, scene.other);
    await moved(scene);
    await sleep(50);
    await scene.other.admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    await scene.other.admin.call("CLIENT", "KILL", "TYPE", "pubsub");
  },
  async (scene) => {
    const { leader, other } = scene;
    await leader.admin.call("CLIENT", "PAUSE", "10000", "WRITE");
    await caughtUp(leader, other);
    await leader.kill();
    await other.promote();
    await moved(scene);
    await leader.start();
    await leader.follow(other);
  },
  async (scene) => {
    await switchOver(scene.leader, scene.other);
    await moved(scene);
  },
];

interface Load {
  readonly counts: Record<"done" | "applied" | "not-applied" | "unknown", number>;
  /** Resolves when nothing is under way but what blocks, and all are connected. */
  rest(): Promise<void>;
  goOn(): void;
  stop(): Promise<void>;
}

function startLoad({ client, connections }: Scene): Load {
  const counts = { done: 0, applied: 0, "not-applied": 0, unknown: 0 };
  const [, blocking, subscriber] = connections;
  const stopped = new AbortController();
  let [isResting, underWay] = [false, 0];
  const work = async (paceMs: number, act: () => Promise<unknown>): Promise<void> => {
    while (!stopped.signal.aborted) {
      await sleep(paceMs);
      if (isResting) continue;
      underWay += 1;
      await act().then(
        () => (counts.done += 1),
        (error: unknown) => (counts[outcomeOf(error)] += 1),
      );
      underWay -= 1;
    }
  };
  const durable = client.withWriteConcern({ w: 2, wtimeoutMs: 500 });
  const reads = client.withReadPreference("replicaPreferred");
  const add = async (tx: Redis): Promise<unknown> => {
    await tx.watch("stock");
    return tx.multi().incr("stock").exec();
  };
  const acts = [
    ...Array.from({ length: 5 }, () => () => client.leader.incr("n")),
    ...Array.from({ length: 2 }, () => () => durable.incr("durable")),
    () => client.transaction(add),
    () => reads.get("n"),
    () => client.leader.lpush("jobs", "job"),
    () => client.leader.publish("news", "new"),
  ];
  const all = acts.map((act) => work(20, act));
  void subscriber?.subscribe("news");
  const pop = async (): Promise<void> => {
    while (!stopped.signal.aborted) await blocking?.blpop("jobs", 1).catch(() => {});
  };
  all.push(pop());
  return {
    counts,
    async rest() {
      isResting = true;
      await until(() => underWay === 0, 30_000);
      // Whatever has lost its connection has one again.
      await Promise.allSettled(acts.map((act) => act()));
    },
    goOn: () => void (isResting = false),
    async stop() {
      stopped.abort();
      await Promise.all(all);
    },
  };
}

const { constructor: Timeout } = setTimeout(() => {}, 0) as unknown as { constructor: () => void };

async function takeSample({ client, connections }: Scene): Promise<Sample> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // What was closed a moment ago is let go of by later turns of the loop.
  for (let n = 0; n < 3; n += 1) {
    await sleep(50);
    collect();
  }
  const emitters = [client, process, ...connections, ...connections.map(({ stream }) => stream)];
  const count = (emitter: EventEmitter): number =>
    emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);
  return {
    heap: process.memoryUsage().heapUsed,
    timers: queryObjects(Timeout, { format: "count" }),
    listeners: emitters.reduce((sum, emitter) => sum + count(emitter as EventEmitter), 0),
    sockets: process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length,
    emitters: queryObjects(EventEmitter, { format: "count" }),
  };
}

function report(changes: number, samples: readonly Sample[], counts: Load["counts"]): Report {
  const measures = ["heap", "timers", "listeners", "sockets", "emitters"] as const;
  const rows = measures.map((measure) => {
    const { from, to } = growthOf(samples.map((sample) => sample[measure]));
    return {
      measure,
      from,
      to,
      growth: to - from,
      allowed: ALLOWED[measure],
      samples: samples.length,
    };
  });
  const size = (measure: string, value: number): string =>
    measure === "heap" ? `${(value / 1024).toFixed(0)} KiB` : String(value);
  const cells = rows.map(({ measure, from, to, growth }) => [
    measure,
    ...[from, to, growth].map((value) => size(measure, value)),
  ]);
  const words =
    `${changes} changes of leader, ${samples.length} samples at rest; ${counts.done} operations, ` +
    `failed: ${counts["not-applied"]} not applied, ${counts.unknown} unknown, ${counts.applied} applied`;
  return {
    rows: [...rows, { measure: "operations", changes, ...counts }],
    text: `${markdown(["of the client's process", "first third", "last third", "growth"], cells)}\n\n${words}`,
    broken: rows
      .filter(({ growth, allowed }) => growth > allowed)
      .map(({ measure, growth }) => `${measure} grew by ${size(measure, growth)}`),
  };
}
