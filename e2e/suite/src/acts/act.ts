/**
 * An act on a cluster: one fault or planned change, with what is promised for it.
 *
 * It causes its fault, waits until the group has dealt with it, and repairs what it broke. It
 * measures nothing and judges nothing.
 */
import type { Act as StageAct } from "@leasehold/testkit/acts";
import {
  busyBounds,
  serviceBounds,
  type Bound,
  type ServiceBounds,
} from "@leasehold/testkit/result";
import type { Cluster } from "@leasehold/cluster";
import type { Group, Release } from "../group.ts";
import type { Habits, Stage } from "../stage.ts";

export type Act = Omit<StageAct<Stage>, "bound"> & {
  /** A row of docs/protocol.md, section 8, or this act's own. */
  readonly bound: keyof ServiceBounds | Bound;
  /** One of the few that every check plays. */
  readonly isCore?: true;
  /** Needs nodes and programs that may be hurt. */
  readonly needsFaults?: true;
  /** Hands the lead over, and shows where the time goes. */
  readonly handsOver?: true;
  /** A stage of its own, which goes with the act. */
  readonly open?: (cluster: Stage["cluster"], shared: Stage) => Promise<Stage>;
  /** A group of its own, which goes with the act. Default: the one that all acts use. */
  readonly release?: Release;
  /** Default: `nodes`. */
  readonly clients?: "nodes" | "outside";
  readonly habits?: Habits;
  /** Beside the group of its own: what has to be there first, and how to tell that all is ready. */
  readonly prepare?: (cluster: Cluster, group: Group) => Promise<Preparation>;
  /** Before the writers start. */
  readonly before?: (stage: Stage) => Promise<void>;
  /** When they have stopped. */
  readonly after?: (stage: Stage) => Promise<void>;
};

export interface Preparation {
  /** Instead of the group's health. */
  whole(timeoutMs: number): Promise<void>;
}

/** The group that all acts use. */
export const RELEASE: Release = {
  namespace: "shop",
  release: "orders",
  // The chart's own values otherwise: at this level the log tells where the milliseconds go.
  values: ["sidecar.log.level=debug"],
};

/** D of the profile that the chart installs. */
const LEASE_MS = 5000;

/** `isBusy`: other Services of the cluster change all the time. */
export function boundOf({ bound }: Act, isBusy: boolean): Bound {
  if (typeof bound !== "string") return bound;
  return (isBusy ? busyBounds : serviceBounds)(LEASE_MS)[bound];
}

/** Far beyond every bound: who waits that long has something to report. */
export const PATIENCE_MS = 30_000;
export const WHOLE_MS = 120_000;
const ROLLOUT_MS = 250_000;

export async function rolledOut(group: Group): Promise<void> {
  const rollout = ["rollout", "status", `statefulset/${group.name}`, "--timeout=240s"];
  await group.kubectl(rollout, { timeoutMs: ROLLOUT_MS });
}
