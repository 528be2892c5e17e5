/**
 * The acts of the demo, in order: one fault or planned change each, with what is promised for it.
 *
 * An act causes its fault, waits until the group has dealt with it, and repairs what it broke. It
 * measures nothing and judges nothing.
 */
import { processBounds, type Bound } from "@leasehold/testkit/result";
import type { Act as StageAct } from "@leasehold/testkit/acts";
import type { GroupMember } from "@leasehold/testkit/group";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stage } from "./stage.ts";

export type Act = StageAct<Stage>;

/** D of the profile that the demo runs with. */
const LEASE_DURATION_MS = 5000;
const BOUNDS = processBounds(LEASE_DURATION_MS);
const API_OUTAGE_MS = 20_000;
const GRACE_MS = 30_000;
/** Far beyond every bound: who waits that long has something to report. */
const PATIENCE_MS = 15_000;
/**
 * From the last write before to the first after a stop and start of everything: all processes
 * end, start, load and report. docs/protocol.md, section 4.4 bounds only the last part.
 */
const TOTAL_RESTART: Bound = { medianMs: 5000, p99Ms: 8000 };

export const ACTS: readonly Act[] = [
  {
    name: "switchover",
    title: "a switchover is asked for",
    bound: BOUNDS.switchover,
    promised: "acknowledged",
    async play(stage) {
      const old = leaderOf(stage);
      stage.requestSwitchover();
      await stage.group.leader(PATIENCE_MS, old);
    },
  },
  {
    name: "rolling-restart",
    title: "all members restart, one after the other",
    bound: BOUNDS.switchover,
    promised: "acknowledged",
    async play(stage) {
      for (const member of stage.group.members.toReversed()) {
        await member.restartPod(GRACE_MS);
        await stage.whole(PATIENCE_MS);
      }
    },
  },
  {
    name: "redis-kill",
    title: "SIGKILL of the primary's Redis",
    bound: BOUNDS.redisDies,
    promised: "confirmed",
    async play(stage) {
      const old = leaderOf(stage);
      strike(old.redis, "SIGKILL");
      await stage.group.leader(PATIENCE_MS, old);
    },
  },
  {
    name: "redis-hang",
    title: "SIGSTOP of the primary's Redis",
    bound: BOUNDS.redisHangs,
    promised: "confirmed",
    async play(stage) {
      const old = leaderOf(stage);
      strike(old.redis, "SIGSTOP");
      await stage.group.leader(PATIENCE_MS, old);
    },
  },
  {
    name: "sidecar-kill",
    title: "SIGKILL of the leader's sidecar",
    bound: BOUNDS.leaderLost,
    promised: "confirmed",
    async play(stage) {
      const old = leaderOf(stage);
      strike(old.sidecar, "SIGKILL");
      await stage.group.leader(PATIENCE_MS, old);
      old.sidecar.start();
    },
  },
  {
    name: "sidecar-freeze",
    title: "SIGSTOP of the leader's sidecar",
    bound: BOUNDS.leaderLost,
    promised: "confirmed",
    async play(stage) {
      const old = leaderOf(stage);
      strike(old.sidecar, "SIGSTOP");
      await stage.group.leader(PATIENCE_MS, old);
      strike(old.sidecar, "SIGCONT");
    },
  },
  {
    name: "node-loss",
    title: "the leader's node loses its power",
    bound: BOUNDS.leaderLost,
    promised: "confirmed",
    async play(stage) {
      const old = leaderOf(stage);
      await old.cutPower();
      await stage.group.leader(PATIENCE_MS, old);
      old.powerOn({ samePod: true });
    },
  },
  {
    name: "api-outage",
    title: "the Kubernetes API is away for 20 s",
    bound: BOUNDS.apiOutage,
    promised: "acknowledged",
    async play(stage) {
      const endOutage = stage.group.api.faults.outage();
      await sleep(API_OUTAGE_MS);
      endOutage();
    },
  },
  {
    name: "leader-cut",
    title: "the leader is cut from the API and from its peers",
    bound: BOUNDS.leaderLost,
    promised: "confirmed",
    async play(stage) {
      const old = leaderOf(stage);
      old.cutFromApi();
      old.cutFromPeers();
      await stage.group.leader(PATIENCE_MS, old);
      old.restoreApi();
      old.restorePeers();
    },
  },
  {
    name: "total-restart",
    title: "all members stop, then start again",
    bound: TOTAL_RESTART,
    promised: "acknowledged",
    async play(stage) {
      await Promise.all(stage.group.members.map((member) => member.deletePod(GRACE_MS)));
      for (const member of stage.group.members) member.powerOn();
    },
  },
  {
    name: "empty-disk",
    title: "the leader restarts with an emptied disk",
    bound: BOUNDS.leaderLost,
    promised: "confirmed",
    async play(stage) {
      const old = leaderOf(stage);
      await old.cutPower();
      old.wipeDisk();
      old.powerOn({ samePod: true });
      await stage.group.leader(PATIENCE_MS, old);
    },
  },
];

function leaderOf(stage: Stage): GroupMember {
  const leader = stage.group.currentLeader();
  if (leader === null) throw new Error("nobody leads, so there is no leader to break");
  return leader;
}

/** A fault that did not happen must not pass for one that was survived. */
function strike(target: Struck, signal: NodeJS.Signals): void {
  if (!target.signal(signal)) throw new Error(`${signal} reached no process: nothing was tested`);
}

interface Struck {
  signal(name: NodeJS.Signals): boolean;
}
