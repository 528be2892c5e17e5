/** Reads scenario files (prose, events in, actions out) and sets their stage. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { MemberConfig, MemberRecord, StartFacts } from "../../src/index.ts";
import {
  GATE,
  LINEAGE,
  baseRecord,
  followerInfo,
  freshInfo,
  identityOf,
  leaseOf,
  sliceOf,
} from "./defaults.ts";
import { play, type Step } from "./step.ts";
import { World } from "./world.ts";

/** Where a scenario begins; its steps then say what happens. r-0 is the member under test. */
export type Given =
  /** r-1 leads epoch 1; r-0 and r-2 follow in sync. */
  | "follower"
  /** Nothing exists; every member proves that it has nothing. */
  | "newGroup"
  /** r-0 leads epoch 1; r-1 and r-2 are listed and in sync. */
  | "leader"
  /** r-0 led; its sidecar restarts while its Redis is primary under a running permit. */
  | "restartedSidecar"
  /** r-0 led; its pod restarts, sidecar and Redis: 1000 bytes on record, 900 surely on disk. */
  | "restartedPod";

export interface Scenario {
  readonly name: string;
  /** Why it must be so, and where the protocol says it. */
  readonly prose: string;
  readonly given: Given;
  readonly config?: Partial<MemberConfig>;
  readonly replicas?: number;
  readonly start?: Partial<StartFacts>;
  /** Change of the record file that a restarted process finds; null: there is none. */
  readonly record?: Partial<MemberRecord> | null;
  /** Before the process looks at anything. */
  readonly before?: readonly Step[];
  readonly steps: readonly Step[];
}

export function readScenarios(folder: string): readonly Scenario[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".yaml"))
    .toSorted()
    .flatMap((file) => {
      return parse(readFileSync(join(folder, file), "utf8"), { merge: true }) as Scenario[];
    });
}

/** The world at the first step; `witness` is called after every action from the boot on. */
export function worldOf(scenario: Scenario, witness?: (world: World) => void): World {
  const { config = {}, replicas = 3, given } = scenario;
  const world = new World({ config, replicas, start: startOf(scenario) });
  SET_STAGE[given](world);
  for (const step of scenario.before ?? []) play(world, step);
  if (witness) world.witness = () => witness(world);
  world.boot();
  if (given === "leader") leads(world);
  if (given === "leader" || given === "follower") world.take();
  return world;
}

function startOf(scenario: Scenario): Partial<StartFacts> {
  const { given, start } = scenario;
  const record = scenario.record === undefined ? {} : scenario.record;
  if (given === "restartedSidecar") {
    const permit = { kind: "lead", deadlineBootMs: 4500, nonce: "n0" } as const;
    const found = scenario.record === undefined ? null : record;
    return { nonce: "n0b", permit, record: found === null ? null : baseRecord(found), ...start };
  }
  if (given === "restartedPod") {
    return { nonce: "n0b", record: record === null ? null : baseRecord(record), ...start };
  }
  return scenario.record ? { record: baseRecord(scenario.record), ...start } : { ...start };
}

const SET_STAGE: Readonly<Record<Given, (world: World) => void>> = {
  newGroup: emptyPeers,
  leader: emptyPeers,
  follower: (world) => {
    world.slice = sliceOf("r-1", 1);
    world.redis = followerInfo("r-1");
    world.peer("r-1", { leads: true, promoted: true });
    world.peer("r-2");
    world.setLease(leaseOf("r-1"));
  },
  restartedSidecar: (world) => {
    world.redis = freshInfo({
      role: "primary",
      replid: "rho-1",
      offset: 1200,
      upstream: null,
      keys: 5,
    });
    standsLed(world);
  },
  restartedPod: (world) => {
    const rdb = world.config.mode === "rdb";
    const history = rdb ? { replid: "rho-1", offset: 900 } : { replid: "random-9", offset: 0 };
    world.redis = freshInfo({ runId: "run-9", pid: 9, keys: 10, upstream: GATE, ...history });
    standsLed(world);
  },
};

/** r-0's predecessor still stands in the Lease; the others follow it. */
function standsLed(world: World): void {
  world.slice = sliceOf("r-0", 1);
  for (const name of ["r-1", "r-2"]) world.peer(name);
  world.setLease(leaseOf("r-0"));
}

function emptyPeers(world: World): void {
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
}

/** Founds the group, lets the others join it, and brings everybody to byte 1000. */
function leads(world: World): void {
  world.run(500);
  for (const name of ["r-1", "r-2"]) world.peer(name);
  world.redis = { ...(world.redis ?? freshInfo()), offset: 1000, keys: 10, connectedReplicas: 2 };
  world.run(4000);
  const { holder, lineage } = world.lease?.record ?? {};
  const stands = holder === identityOf("r-0") && lineage?.[0]?.replid === LINEAGE[0]?.replid;
  if (!stands) throw new Error(`r-0 does not lead: ${world.log.slice(-8).join("; ")}`);
}
