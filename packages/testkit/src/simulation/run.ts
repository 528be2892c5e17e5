/**
 * One seed: draws a world and a profile, lets things go wrong, lets the group recover, and says
 * whether every promise held. A pure function of its arguments.
 */
import { Random } from "../random.ts";
import { isHopeless, PROGRESS_PROMISE, unrest } from "./checkers/progress.ts";
import type { Profile } from "./faults/profile.ts";
import { PROFILES, profileNamed } from "./faults/profiles.ts";
import { Schedule } from "./faults/schedule.ts";
import { drawOptions, type WorldOptions } from "./options.ts";
import { Timeline } from "./timeline.ts";
import { type Violation, World } from "./world.ts";

export interface RunRequest {
  readonly seed: number;
  /** Null: drawn from the seed. */
  readonly profile: string | null;
  readonly members: number | null;
  /** Keeps the whole timeline, and decisions from this virtual instant on. */
  readonly watch?: { readonly traceFromMs: number };
}

export interface RunResult {
  readonly seed: number;
  readonly profile: string;
  readonly members: number;
  readonly violation: Violation | null;
  readonly timeline: Timeline;
  readonly fingerprint: string;
  readonly virtualMs: number;
  readonly stats: RunStats;
}

export interface RunStats {
  readonly timers: number;
  readonly acknowledged: number;
  readonly lost: number;
  readonly promotions: number;
  readonly fullSyncs: number;
  /** From the end of the last fault to a whole group; -1: never. */
  readonly recoveryMs: number;
}

const WARM_UP_MS = 9_000;
const LOOK_MS = 250;
const REST_MS = 2_500;
const DRAIN_MS = 1_500;
/** Beyond three Lease durations and the cold start's wait: pods that stop, copies that load. */
const SLACK_MS = 45_000;
/** Until a failed opening of the source is given up, and for the cutover that comes then. */
const MOVE_MS = 120_000;

export function runSeed(request: RunRequest): RunResult {
  const random = new Random(request.seed);
  const profile = chooseProfile(random, request.profile);
  const wish = request.members === null ? {} : { members: request.members };
  const options = drawOptions(random, { ...profile.wish, ...wish });
  const timeline = new Timeline({
    keepAll: request.watch !== undefined,
    traceFromMs: request.watch?.traceFromMs ?? Infinity,
  });
  const world = new World(random, options, timeline);
  world.log("world", describe(profile, options));
  const recoveryMs = play(world, profile);
  return {
    seed: request.seed,
    profile: profile.name,
    members: options.members,
    violation: world.violation,
    timeline,
    fingerprint: `${timeline.fingerprint}-${random.hex(8)}-${world.clock.ran}`,
    virtualMs: world.clock.nowMs,
    stats: {
      timers: world.clock.ran,
      acknowledged: world.ledger.writes.filter((write) => write.acknowledgedMs >= 0).length,
      lost: world.ledger.writes.filter((write) => write.isLost).length,
      promotions: world.judge.promotions,
      fullSyncs: world.judge.fullSyncs,
      recoveryMs,
    },
  };
}

function play(world: World, profile: Profile): number {
  const isBroken = (): boolean => world.violation !== null;
  const schedule = new Schedule(world, world.random.fork());
  try {
    world.populate();
    world.clock.runUntil(WARM_UP_MS, isBroken);
    if (isBroken()) return -1;
    const untilMs = WARM_UP_MS + world.random.between(...profile.faultsMs);
    schedule.start(profile, untilMs);
    world.clock.runUntil(untilMs, isBroken);
    if (isBroken()) return -1;
    schedule.stop();
    return recover(world, isBroken);
  } catch (error) {
    const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
    world.violate({ checker: "total", promise: "The core never fails.", words });
    return -1;
  }
}

function recover(world: World, isBroken: () => boolean): number {
  const { clock, memberConfig } = world;
  const startMs = clock.nowMs;
  const moveMs = world.source === null ? 0 : MOVE_MS;
  const waitMs = 3 * memberConfig.leaseDurationMs + memberConfig.coldStartWaitMs;
  const boundMs = waitMs + SLACK_MS + moveMs;
  world.source?.mover.insist();
  let wholeSinceMs: number | null = null;
  let missing: string | null = null;
  while (clock.nowMs < startMs + boundMs) {
    clock.runUntil(clock.nowMs + LOOK_MS, isBroken);
    if (isBroken()) return -1;
    missing = unrest(world);
    if (missing !== null) wholeSinceMs = null;
    else wholeSinceMs ??= clock.nowMs;
    if (wholeSinceMs !== null && clock.nowMs - wholeSinceMs >= REST_MS) break;
  }
  if (missing === null) {
    finish(world, isBroken);
    return (wholeSinceMs ?? clock.nowMs) - startMs;
  }
  if (!isHopeless(world)) {
    const words = `${(boundMs / 1_000).toFixed(0)} s after the last fault: ${missing}`;
    world.violate({ checker: "progress", promise: PROGRESS_PROMISE, words });
  }
  return -1;
}

function finish(world: World, isBroken: () => boolean): void {
  for (const writer of [...world.writers, ...world.directWriters]) writer.stop();
  world.source?.stopWriters();
  world.clock.runUntil(world.clock.nowMs + DRAIN_MS, isBroken);
  if (!isBroken()) world.judge.ended();
}

function chooseProfile(random: Random, name: string | null): Profile {
  const drawn = random.weighted(PROFILES.map((profile) => [profile.weight, profile] as const));
  return name === null ? drawn : profileNamed(name);
}

function describe(profile: Profile, options: WorldOptions): string {
  const { members, mode, config } = options;
  const seconds = config.leaseDurationMs / 1_000;
  return (
    `profile ${profile.name}, ${members} members, ${mode}, D ${seconds} s, ` +
    `clocks ±${(options.clockErrorMax * 100).toFixed(1)} %`
  );
}
