/** Reads and plays scenario files: prose, events in, actions out. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { LeaseRecord } from "@leasehold/election";
import type { MemberConfig, MemberReport, RedisInfo, StartFacts } from "../../src/index.ts";
import { followerInfo, freshInfo, leaseOf, sliceOf } from "./defaults.ts";
import { World } from "./world.ts";

/** Where a scenario begins; its steps then say what happens. */
export type Given =
  /** r-1 leads epoch 1; r-0 and r-2 follow in sync. */
  | "follower"
  /** Nothing exists; every member proves that it has nothing. */
  | "newGroup"
  /** r-0 leads epoch 1; r-1 and r-2 are listed and in sync. */
  | "leader"
  /** r-0's sidecar restarts while its Redis is primary under a running permit. */
  | "restartedLeader";

/** One key a step. */
export interface Step {
  readonly run?: number;
  readonly lease?: (Partial<LeaseRecord> & { readonly of: string }) | null;
  readonly peer?: Readonly<Record<string, Partial<MemberReport> | "silent">>;
  readonly redis?: "dies" | "silent" | Partial<RedisInfo>;
  readonly guard?: { readonly state: "running" | "exited" | "killed"; readonly pid: number };
  readonly api?: "down" | "up";
  readonly request?: string | null;
  readonly paused?: boolean;
  readonly promise?: { readonly holder: string; readonly epoch: number; readonly binding: boolean };
  readonly tell?: "stopRequested" | "terminate";
  readonly hold?: World["held"] extends Set<infer T> ? T : never;
  /** All lines since the last look, without reads, polls and records. */
  readonly expect?: readonly string[];
  /** One line among those since the last look begins so. */
  readonly includes?: string;
  /** No line since the last look begins so. */
  readonly excludes?: string;
}

export interface Scenario {
  readonly name: string;
  /** Why it must be so, and where the protocol says it. */
  readonly prose: string;
  readonly given: Given;
  readonly config?: Partial<MemberConfig>;
  readonly start?: Partial<StartFacts>;
  /** Before the process looks at anything. */
  readonly before?: readonly Step[];
  readonly steps: readonly Step[];
}

export function readScenarios(folder: string): readonly Scenario[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".yaml"))
    .toSorted()
    .flatMap((file) => parse(readFileSync(join(folder, file), "utf8")) as Scenario[]);
}

export function worldOf(scenario: Scenario, actions?: number): World {
  const { config, start } = scenario;
  const options = {
    ...(config ? { config } : {}),
    ...(start ? { start } : {}),
    ...(actions === undefined ? {} : { actions }),
  };
  const before = (world: World): World => {
    for (const step of scenario.before ?? []) play(world, step);
    return world.boot();
  };
  switch (scenario.given) {
    case "follower":
      return follower(new World(options), before);
    case "newGroup":
      return before(newGroup(new World(options)));
    case "leader":
      return leader(new World(options), before);
    case "restartedLeader":
      return before(restartedLeader(new World({ ...options, start: { ...RESTARTED, ...start } })));
  }
}

type Boot = (world: World) => World;

const RESTARTED: Partial<StartFacts> = {
  nonce: "n0b",
  permit: { kind: "lead", deadlineBootMs: 4500, nonce: "n0" },
};

function follower(world: World, boot: Boot): World {
  world.slice = sliceOf("r-1", 1);
  world.redis = followerInfo("r-1");
  world.peer("r-1", { leads: true, promoted: true });
  world.peer("r-2");
  world.setLease(leaseOf("r-1"));
  boot(world);
  world.take();
  return world;
}

function newGroup(world: World): World {
  for (const name of ["r-1", "r-2"]) {
    world.peer(name, {
      redis: "gated",
      hasRecord: false,
      position: null,
      empty: true,
      inSync: false,
      epoch: 0,
      lineage: [],
      recordMembers: [],
      recordEpoch: 0,
    });
  }
  return world;
}

function leader(world: World, boot: Boot): World {
  boot(newGroup(world)).run(500);
  for (const name of ["r-1", "r-2"]) world.peer(name);
  world.run(4000);
  const { offset, replid } = world.redis ?? freshInfo();
  for (const name of ["r-1", "r-2"]) {
    world.peer(name, { offset, replid, position: { epoch: 1, offset, replid } });
  }
  world.take();
  return world;
}

function restartedLeader(world: World): World {
  const info = { role: "primary", replid: "rho-1", offset: 1200, upstream: null, keys: 5 } as const;
  world.redis = freshInfo(info);
  world.slice = sliceOf("r-0", 1);
  for (const name of ["r-1", "r-2"]) world.peer(name);
  world.setLease(leaseOf("r-0"));
  return world;
}

/** Plays one step that changes the world; looks are the caller's. */
export function play(world: World, step: Step): void {
  if (step.run !== undefined) world.run(step.run);
  if (step.lease === null) world.setLease(null);
  if (step.lease) world.setLease(leaseOf(step.lease.of, step.lease));
  for (const [name, change] of Object.entries(step.peer ?? {})) {
    if (change === "silent") world.peers.delete(name);
    else world.peer(name, change);
  }
  if (step.redis !== undefined) playRedis(world, step.redis);
  if (step.guard) {
    world.tell({ type: "guardObserved", guard: { bootId: "g0", uptimeSkewMs: 0, ...step.guard } });
  }
  if (step.api !== undefined) world.apiDown = step.api === "down";
  if (step.hold !== undefined) world.held.add(step.hold);
  if (step.tell !== undefined) world.tell({ type: step.tell });
  playPeople(world, step);
}

function playRedis(world: World, to: NonNullable<Step["redis"]>): void {
  if (to === "silent") {
    return world.tell({ type: "redisObserved", observation: { kind: "silent", message: "" } });
  }
  if (to === "dies") world.redis = null;
  else world.redis = { ...(world.redis ?? freshInfo()), ...to };
  world.probe();
}

function playPeople(world: World, step: Step): void {
  if (step.request !== undefined || step.paused !== undefined) {
    const to = step.request ?? null;
    const request =
      step.request === undefined
        ? null
        : { id: "1", kind: "switchover" as const, to, force: false };
    const control = { paused: step.paused ?? false, request, forgotten: [] };
    world.tell({ type: "controlObserved", control });
  }
  if (step.promise) {
    const asked = ["r-0", "r-1", "r-2"];
    const request = { ...step.promise, round: 1, lineage: [], asked, durationMs: 5000 };
    world.tell({ type: "promiseAsked", requestId: 1, request });
  }
}
