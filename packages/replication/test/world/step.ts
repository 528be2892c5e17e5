/**
 * The steps of a scenario: what happens to a world, and what must be seen of it. A step may hold
 * several keys; what happens comes before what is seen, in the order of the interface.
 */
import type { LeaseRecord } from "@leasehold/election";
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
} from "../../src/index.ts";
import type { ApiWay } from "./outside.ts";
import { LINEAGE, freshInfo, leaseOf, podsOf, sliceOf } from "./defaults.ts";
import type { Held, RedisWay, World } from "./world.ts";

export interface Step {
  /** Lines that were logged so far are not looked at any more. */
  readonly afresh?: true;
  /** Actions of this type are not answered by themselves from now on. */
  readonly hold?: Held;
  /** Time in which the process was not scheduled: nothing ticks. */
  readonly stalled?: number;
  /** Time that only the boot clock counts. */
  readonly suspended?: number;
  readonly lease?: (Partial<LeaseRecord> & { readonly of: string }) | null;
  readonly slice?: { readonly of: string; readonly epoch: number };
  readonly pods?: PodsStep;
  readonly peer?: Readonly<Record<string, Partial<MemberReport> | "silent" | "mute">>;
  readonly promises?: Readonly<Record<string, "yes" | "no" | "would">>;
  readonly api?: ApiWay;
  readonly volume?: "well" | "full";
  readonly guard?: Partial<GuardObservation>;
  /** A change of what it answers, or of how it behaves. */
  readonly redis?: "dies" | RedisWay | Partial<RedisInfo>;
  /** The same, and the next look is yet to come. */
  readonly redisUnseen?: Step["redis"];
  /** `switchover` to a member, or to anybody (null), or in full. */
  readonly request?: string | null | Partial<ControlRequest>;
  readonly paused?: boolean;
  readonly forgotten?: readonly string[];
  readonly promise?: { readonly holder: string; readonly epoch: number } & Partial<{
    readonly binding: boolean;
    readonly durationMs: number;
    readonly asked: readonly string[];
    readonly lineage: LeaseRecord["lineage"];
  }>;
  readonly tell?: "stopRequested" | "terminate" | "leaseChanged";
  /** Answers the oldest held action of this type, by what the world is like now. */
  readonly release?: Held;
  /** Answers all that is held of this type, and holds none any more. */
  readonly free?: Held;
  readonly run?: number;
  /** Lets time pass until a line holds this, for at most so many milliseconds. */
  readonly until?: { readonly line: string; readonly ms: number };
  /** All lines since the last look, without reads, polls and records. */
  readonly expect?: readonly string[];
  /** One line holds this. */
  readonly includes?: string;
  /** No line holds this. */
  readonly excludes?: string;
  /** How many lines may hold a text. */
  readonly atMost?: Readonly<Record<string, number>>;
  /** How often the core wanted to be woken since the lines were looked at afresh. */
  readonly ticksAtMost?: number;
  readonly status?: Partial<MemberStatus>;
  readonly report?: Partial<MemberReport>;
  readonly inLease?: Partial<LeaseRecord>;
  readonly onDisk?: Partial<MemberRecord>;
}

interface PodsStep {
  readonly replicas?: number;
  /** Changes of pods by name; null: the pod is gone. */
  readonly change?: Readonly<Record<string, Partial<PodObservation> | null>>;
  /** The watch is late: only a read shows it. */
  readonly unseen?: true;
}

/** Plays what happens in one step. */
export function play(world: World, step: Step): void {
  if (step.afresh) {
    world.take();
    world.ticks = 0;
  }
  if (step.hold !== undefined) world.held.add(step.hold);
  world.nowMs += step.stalled ?? 0;
  world.suspendedMs += step.suspended ?? 0;
  playGroup(world, step);
  playOwn(world, step);
  playPeople(world, step);
  if (step.tell !== undefined) world.tell({ type: step.tell });
  if (step.release !== undefined) world.answerHeld(step.release);
  if (step.free !== undefined) free(world, step.free);
  if (step.run !== undefined) world.run(step.run);
  if (step.until) runUntil(world, step.until);
}

function playGroup(world: World, step: Step): void {
  const { lease, slice, pods } = step;
  if (step.api !== undefined) world.api = step.api;
  if (pods) playPods(world, pods);
  for (const [name, change] of Object.entries(step.peer ?? {})) playPeer(world, name, change);
  for (const [name, way] of Object.entries(step.promises ?? {})) world.promises.set(name, way);
  if (slice) {
    world.slice = { ...sliceOf(slice.of, slice.epoch), version: `${slice.of}-${slice.epoch}` };
    world.tell({ type: "sliceObserved", slice: world.slice });
  }
  if (lease === null) world.setLease(null);
  if (lease) {
    const { of, ...change } = lease;
    world.setLease(leaseOf(of, change));
  }
}

function playPods(world: World, step: PodsStep): void {
  const all = step.replicas === undefined ? world.pods : podsOf(step.replicas);
  const pods = all.pods
    .filter((pod) => step.change?.[pod.member] !== null)
    .map((pod) => ({ ...pod, ...step.change?.[pod.member] }));
  world.pods = { ...all, pods };
  if (!step.unseen) world.tell({ type: "podsObserved", pods: world.pods });
}

function playPeer(
  world: World,
  name: string,
  change: Partial<MemberReport> | "silent" | "mute",
): void {
  if (change === "mute") world.mute.add(name);
  else if (change === "silent") world.peers.delete(name);
  else world.peer(name, change);
}

function playOwn(world: World, step: Step): void {
  const { redis, redisUnseen, guard } = step;
  if (step.volume !== undefined) world.volume = step.volume;
  if (redisUnseen !== undefined) playRedis(world, redisUnseen);
  if (guard) world.guard(guard);
  if (redis === undefined) return;
  playRedis(world, redis);
  world.probe();
}

function playRedis(world: World, change: NonNullable<Step["redis"]>): void {
  if (change === "dies") world.redis = null;
  else if (typeof change === "string") world.redisWay = change;
  else world.redis = { ...(world.redis ?? freshInfo()), ...change };
}

function playPeople(world: World, step: Step): void {
  const { request, paused, forgotten, promise } = step;
  if (request !== undefined || paused !== undefined || forgotten !== undefined) {
    const wish =
      request !== null && typeof request === "object" ? request : { to: request ?? null };
    const whole = { id: "1", kind: "switchover", to: null, force: false, ...wish } as const;
    world.control = {
      paused: paused ?? world.control.paused,
      request: request === undefined ? world.control.request : whole,
      forgotten: forgotten ?? world.control.forgotten,
    };
    world.tell({ type: "controlObserved", control: world.control });
  }
  if (!promise) return;
  const asked = ["r-0", "r-1", "r-2"];
  const usual = { round: 1, lineage: LINEAGE, asked, durationMs: 5000, binding: true };
  world.tell({ type: "promiseAsked", requestId: 1, request: { ...usual, ...promise } });
}

function free(world: World, type: Held): void {
  world.held.delete(type);
  const count = world.heldActions.filter((action) => action.type === type).length;
  for (let left = count; left > 0; left--) world.answerHeld(type);
}

const SLICE_MS = 10;

function runUntil(world: World, wanted: { readonly line: string; readonly ms: number }): void {
  const end = world.nowMs + wanted.ms;
  const isThere = (): boolean => world.log.some((line) => line.includes(wanted.line));
  while (!isThere() && world.nowMs < end) world.run(SLICE_MS);
}

/** Looks at what the step says must be seen. */
export function look(world: World, step: Step): void {
  const text = world.log.join("\n");
  const { includes, excludes } = step;
  if (step.until) expect(text).toContain(step.until.line);
  if (includes !== undefined) expect(text).toContain(includes);
  if (excludes !== undefined) expect(text).not.toContain(excludes);
  for (const [part, most] of Object.entries(step.atMost ?? {})) {
    const found = world.log.filter((line) => line.includes(part));
    expect(found.length, `"${part}" in ${text}`).toBeLessThanOrEqual(most);
  }
  if (step.ticksAtMost !== undefined) expect(world.ticks).toBeLessThanOrEqual(step.ticksAtMost);
  const { state, config } = world;
  if (step.status) expect(statusOf(state, world.at(), config)).toMatchObject(step.status);
  if (step.report) expect(reportOf(state, world.at(), config)).toMatchObject(step.report);
  if (step.inLease) expect(world.lease?.record).toMatchObject(step.inLease);
  if (step.onDisk) expect(world.record).toMatchObject(step.onDisk);
  if (step.expect) expect(world.take()).toEqual(step.expect);
}
