/**
 * What the pure part remembers about the group between two observations.
 */
import type { Epoch, NodeDescription, TopologyDescription, TopologyObservation } from "../types.ts";

export interface TopologyState {
  readonly description: TopologyDescription;
  /** The newest observation of each process, so that a late one of the same is known. */
  readonly seen: ReadonlyMap<string, { readonly processId: string; readonly counter: number }>;
  /** When something that reads the Lease, or a slice of its holder, spoke last. */
  readonly authoritativeAtMs: number | null;
  /** A connection to the leader was lost, refused or unsound, and none has been admitted since. */
  readonly hasLeaderFailed: boolean;
  /** What made the leader one: a source without epochs proves it by its history, or guesses. */
  readonly namedBy: "epoch" | "history" | "guess";
  /** An unrelated primary, met without an epoch: adopted when met again, once the leader fails. */
  readonly candidate: { readonly id: string; readonly atMs: number } | null;
}

export type TopologyEvent =
  | {
      readonly type: "leaderChanged";
      readonly from: NodeDescription | null;
      readonly to: NodeDescription;
      readonly epoch: Epoch | null;
      readonly via: TopologyObservation["via"];
      readonly divergedBytes: bigint | null;
    }
  | { readonly type: "leaderLost"; readonly last: NodeDescription; readonly reason: string }
  | {
      readonly type: "staleLeaderIgnored";
      readonly node: string;
      readonly epoch: Epoch | null;
      readonly known: Epoch | null;
    }
  | { readonly type: "topologyConflict"; readonly known: string; readonly claimed: string }
  | { readonly type: "nodeAdded"; readonly node: NodeDescription }
  | { readonly type: "nodeRemoved"; readonly node: NodeDescription }
  | { readonly type: "nodeChanged"; readonly node: NodeDescription };

export const INITIAL: TopologyState = {
  description: { epoch: null, leader: null, nodes: [], expectedNodes: null, generation: 0 },
  seen: new Map(),
  authoritativeAtMs: null,
  hasLeaderFailed: false,
  namedBy: "guess",
  candidate: null,
};
