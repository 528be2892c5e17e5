/** One fault or planned change, with what is promised for it. */
import type { Bound } from "../result/index.ts";
import type { LedgerCheck, RemoteLoad } from "../workload/index.ts";

/** Where an act plays: a group, and writers through its write address. */
export interface ActStage {
  readonly load: Omit<RemoteLoad, "start" | "check">;
  /** Waits until one member leads and all others follow it. Throws, naming what is missing. */
  whole(timeoutMs: number): Promise<void>;
  /** Starts writers through the write address and an observer of each member. */
  startLoad(name: string): Promise<void>;
  /** Throws if the ledger cannot be compared. */
  checkLedger(): Promise<LedgerCheck>;
}

export interface Act<S extends ActStage> {
  readonly name: string;
  readonly title: string;
  readonly bound: Bound;
  /**
   * Writes that must survive. A failover may lose what had not reached a replica, so there only
   * writes that one replica confirmed are promised.
   */
  readonly promised: "acknowledged" | "confirmed";
  /**
   * What readers are promised. `reconnect`: at most one error per connection lost, and no answer
   * older than a second. Default: nothing.
   */
  readonly reads?: "reconnect" | "nothing";
  /** Throws if the group did not deal with it in time. */
  readonly play: (stage: S) => Promise<void>;
}

/** What was promised, without how it is tried. */
export type Promised = Omit<Act<ActStage>, "play">;
