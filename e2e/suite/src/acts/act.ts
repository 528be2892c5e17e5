/**
 * An act on a cluster: one fault or planned change, with what is promised for it.
 *
 * It causes its fault, waits until the group has dealt with it, and repairs what it broke. It
 * measures nothing and judges nothing.
 */
import type { Act as StageAct } from "@leasehold/testkit/acts";
import { serviceBounds } from "@leasehold/testkit/result";
import type { Stage } from "../stage.ts";

export type Act = StageAct<Stage> & {
  /** One of the few that every check plays. */
  readonly isCore?: true;
  /** Needs nodes and programs that may be hurt. */
  readonly needsFaults?: true;
  /** Before the writers start. */
  readonly before?: (stage: Stage) => Promise<void>;
  /** When they have stopped. */
  readonly after?: (stage: Stage) => Promise<void>;
};

/** D of the profile that the chart installs. */
export const BOUNDS = serviceBounds(5000);
/** Far beyond every bound: who waits that long has something to report. */
export const PATIENCE_MS = 30_000;
export const WHOLE_MS = 120_000;
