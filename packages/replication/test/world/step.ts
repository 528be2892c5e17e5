/**
 * The steps of a scenario: what happens to a world, in the order in which the keys of a step are
 * written, and then what must be seen of it.
 */
import type { HandoverQuestion, LeaseRecord } from "@leasehold/election";
import { expect } from "vitest";
import {
  reportOf,
  statusOf,
  type ControlRequest,
  type GuardObservation,
  type MemberRecord,
  type MemberReport,
  type MemberStatus,
  type PodObservation,
  type RedisInfo,
  type SourceOutcome,
} from "../../src/index.ts";
import type { ApiWay } from "./outside.ts";
import { LINEAGE, emptySlice, freshInfo, leaseOf, podsOf, sliceOf } from "./defaults.ts";
import type { Held, RedisWay, World } from "./world.ts";

export type Step = Partial<Happening> & Sight;

interface Happening {
  /** Lines and ticks so far are not looked at any more. */
  readonly afresh: true;
  readonly run: number;
  /** Lets time pass until a line holds this, for at most so many milliseconds. */
  readonly until: { readonly line: string; readonly ms: number };
  /** Time in which the process was not scheduled: nothing ticks. */
  readonly stalled: number;
  /** Time that only the boot clock counts. */
  readonly suspended: number;
  /** Actions of this type are not answered by themselves from now on. */
  readonly hold: Held;
  /** Answers the oldest held action of this type, by what the world is like now. */
  readonly release: Held;
  /** Answers all that is held of this type, and holds none any more. */
  readonly free: Held;
  readonly api: ApiWay;
  readonly lease: (Partial<LeaseRecord> & { readonly of: string }) | null;
  readonly slice: { readonly of: string; readonly epoch: number };
  /** The held slice write is done and its object deleted; both are heard before its answer. */
  readonly sliceLost: true;
  readonly pods: PodsStep;
  readonly peer: Readonly<Record<string, Partial<MemberReport> | "silent" | "mute">>;
  readonly promises: Readonly<Record<string, "yes" | "no" | "would">>;
  readonly volume: "well" | "full";
  readonly guard: Partial<GuardObservation>;
  /** A change of what it answers, or of how it behaves. */
  readonly redis: RedisStep;
  /** The same, and the next look is yet to come. */
  readonly redisUnseen: RedisStep;
  /** A switchover to a member, or to anybody (null), or a request in full. */
  readonly request: string | null | Partial<ControlRequest>;
  readonly withdrawn: true;
  readonly paused: boolean;
  /** A pause that ends by itself. */
  readonly pausedFor: { readonly id: string; readonly forMs: number };
  /** Names that people take from the list. */
  readonly forgotten: readonly string[];
  /** The source outside the group answers what it was asked last. */
  readonly source: SourceOutcome;
  /** The holder asks this member whether it accepts a hand-over before it is in the Lease. */
  readonly asksToAccept: HandoverQuestion;
  /** Whoever is asked so by this member accepts by this attempt. */
  readonly accepts: string | null;
  readonly promise: { readonly holder: string; readonly epoch: number } & Partial<{
    readonly binding: boolean;
    readonly lineage: LeaseRecord["lineage"];
  }>;
  readonly tell: "stopRequested" | "terminate" | "leaseChanged";
}

interface Sight {
  /** All lines since the last look, without reads, polls and records. */
  readonly expect?: readonly string[];
  /** One line holds this. */
  readonly includes?: string;
  /** No line holds this. */
  readonly excludes?: string;
  /** How many lines may, or must, hold a text. */
  readonly atMost?: Readonly<Record<string, number>>;
  readonly atLeast?: Readonly<Record<string, number>>;
  /** How often the core may have wanted to be woken. */
  readonly ticksAtMost?: number;
  readonly status?: Partial<MemberStatus>;
  readonly report?: Partial<MemberReport>;
  readonly inLease?: Partial<LeaseRecord>;
  readonly onDisk?: Partial<MemberRecord>;
}

type RedisStep = "dies" | RedisWay | Partial<RedisInfo>;

interface PodsStep {
  readonly replicas?: number;
  /** Changes of pods by name; null: the pod is gone. */
  readonly change?: Readonly<Record<string, Partial<PodObservation> | null>>;
  /** The watch is late: only a read shows it. */
  readonly unseen?: true;
}

type Plays = { readonly [K in keyof Happening]: (world: World, value: Happening[K]) => void };

const TICK_MS = 10;

const PLAYS: Plays = {
  afresh: (world) => {
    world.take();
    world.ticks = 0;
  },
  run: (world, ms) => world.run(ms),
  until: (world, { line, ms }) => {
    const end = world.nowMs + ms;
    const isThere = (): boolean => world.log.some((one) => one.includes(line));
    while (!isThere() && world.nowMs < end) world.run(TICK_MS);
  },
  stalled: (world, ms) => {
    world.nowMs += ms;
  },
  suspended: (world, ms) => {
    world.suspendedMs += ms;
  },
  hold: (world, type) => {
    world.held.add(type);
  },
  release: (world, type) => world.answerHeld(type),
  free: (world, type) => {
    world.held.delete(type);
    const count = world.heldActions.filter((action) => action.type === type).length;
    for (let left = count; left > 0; left--) world.answerHeld(type);
  },
  api: (world, way) => {
    world.api = way;
  },
  lease: playLease,
  slice: (world, { of, epoch }) => {
    world.slice = { ...sliceOf(of, epoch), version: `${of}-${epoch}` };
    world.tell({ type: "sliceObserved", slice: world.slice });
  },
  sliceLost: playLostSlice,
  pods: playPods,
  peer: (world, changes) => {
    for (const [name, change] of Object.entries(changes)) playPeer(world, name, change);
  },
  promises: (world, ways) => {
    for (const [name, way] of Object.entries(ways)) world.promises.set(name, way);
  },
  volume: (world, way) => {
    world.volume = way;
  },
  guard: (world, change) => world.hearGuard(change),
  redis: (world, change) => {
    changeRedis(world, change);
    world.probe();
  },
  redisUnseen: changeRedis,
  request: (world, wish) => {
    const usual = { id: "1", kind: "switchover", to: null, force: false } as const;
    const own = wish === null || typeof wish === "string" ? { to: wish } : wish;
    changeControl(world, { request: { ...usual, ...own } });
  },
  withdrawn: (world) => changeControl(world, { request: null }),
  paused: (world, paused) => changeControl(world, { paused, pauseSpan: null }),
  forgotten: (world, forgotten) => changeControl(world, { forgotten }),
  pausedFor: (world, pauseSpan) => changeControl(world, { paused: true, pauseSpan }),
  source: (world, outcome) => {
    const asked = world.performed.findLast((action) => action.type === "askSource");
    if (asked?.type !== "askSource") throw new Error("the source was not asked");
    world.tell({ type: "sourceAnswered", id: asked.id, outcome });
  },
  asksToAccept: (world, question) => world.tell({ type: "handoverAsked", requestId: 1, question }),
  accepts: (world, attempt) => {
    world.accepted = attempt;
  },
  promise: (world, change) => {
    const asked = ["r-0", "r-1", "r-2"];
    const usual = { round: 1, lineage: LINEAGE, asked, durationMs: 5000, binding: true };
    world.tell({ type: "promiseAsked", requestId: 1, request: { ...usual, ...change } });
  },
  tell: (world, type) => world.tell(type === "leaseChanged" ? { type, lease: null } : { type }),
};

const SIGHTS: Readonly<Record<keyof Sight, true>> = {
  expect: true,
  includes: true,
  excludes: true,
  atMost: true,
  atLeast: true,
  ticksAtMost: true,
  status: true,
  report: true,
  inLease: true,
  onDisk: true,
};

/** Plays what happens in one step. */
export function play(world: World, step: Step): void {
  let sees = false;
  for (const [key, value] of Object.entries(step)) {
    if (key in SIGHTS) sees = true;
    else if (!(key in PLAYS)) throw new Error(`no step has the key ${key}: see test/world/step.ts`);
    else if (sees) throw new Error(`${key} must stand before what the step looks at`);
    else (PLAYS[key as keyof Happening] as (world: World, value: unknown) => void)(world, value);
  }
}

function playLease(world: World, to: Happening["lease"]): void {
  if (to === null) return world.setLease(null);
  const { of, ...change } = to;
  world.setLease(leaseOf(of, change));
}

function playLostSlice(world: World): void {
  const index = world.heldActions.findIndex(({ type }) => type === "writeSlice");
  const [action] = world.heldActions.splice(index, 1);
  if (action?.type !== "writeSlice") throw new Error("no writeSlice is held");
  const answer = world.sliceOutcome(action);
  for (const slice of [world.slice, emptySlice()]) {
    world.slice = slice;
    world.tell({ type: "sliceObserved", slice });
  }
  world.tell(answer);
}

function playPods(world: World, step: PodsStep): void {
  const all = step.replicas === undefined ? world.pods : podsOf(step.replicas);
  const pods = all.pods
    .filter((pod) => step.change?.[pod.member] !== null)
    .map((pod) => ({ ...pod, ...step.change?.[pod.member] }));
  world.pods = { ...all, pods };
  if (!step.unseen) world.tell({ type: "podsObserved", pods: world.pods });
}

function playPeer(world: World, name: string, change: Happening["peer"][string]): void {
  if (change === "mute") world.mute.add(name);
  else if (change === "silent") world.peers.delete(name);
  else world.peer(name, change);
}

function changeRedis(world: World, change: RedisStep): void {
  if (change === "dies") world.redis = null;
  else if (typeof change === "string") world.redisWay = change;
  else world.redis = { ...(world.redis ?? freshInfo()), ...change };
}

function changeControl(world: World, change: Partial<World["control"]>): void {
  world.control = { ...world.control, ...change };
  world.tell({ type: "controlObserved", control: world.control });
}

/** Looks at what the step says must be seen. */
export function look(world: World, step: Step): void {
  const text = world.log.join("\n");
  const { includes, excludes, ticksAtMost } = step;
  if (step.until) expect(text).toContain(step.until.line);
  if (includes !== undefined) expect(text).toContain(includes);
  if (excludes !== undefined) expect(text).not.toContain(excludes);
  const count = (part: string): number => world.log.filter((line) => line.includes(part)).length;
  for (const [part, most] of Object.entries(step.atMost ?? {})) {
    expect(count(part), `"${part}" in ${text}`).toBeLessThanOrEqual(most);
  }
  for (const [part, least] of Object.entries(step.atLeast ?? {})) {
    expect(count(part), `"${part}" in ${text}`).toBeGreaterThanOrEqual(least);
  }
  if (ticksAtMost !== undefined) expect(world.ticks).toBeLessThanOrEqual(ticksAtMost);
  const { state, config } = world;
  if (step.status) expect(statusOf(state, world.at(), config)).toMatchObject(step.status);
  if (step.report) expect(reportOf(state, world.at(), config)).toMatchObject(step.report);
  if (step.inLease) expect(world.lease?.record).toMatchObject(step.inLease);
  if (step.onDisk) expect(world.record).toMatchObject(step.onDisk);
  if (step.expect) expect(world.take()).toEqual(step.expect);
}
