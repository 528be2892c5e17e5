/** The events of a client. Every object is frozen. */
import type { TopologyEvent } from "./topology/state.ts";
import type { Epoch, LeaderChangeVia, NodeDescription, TopologyDescription } from "./types.ts";

export type { TopologyEvent };

/** The events of a client, each with one frozen object. */
export interface LeaseholdEvents {
  /** Anything that is known has changed. */
  topologyChanged: [
    { readonly previous: TopologyDescription; readonly current: TopologyDescription },
  ];
  /** A new leader is known. Connections move to it. */
  leaderChanged: [
    {
      readonly from: NodeDescription | null;
      readonly to: NodeDescription;
      readonly epoch: Epoch | null;
      readonly via: LeaderChangeVia;
      /** From the loss of the old one to this event; null: it was never lost. */
      readonly gapMs: number | null;
      /** A lower bound of what the old leader held and the new one does not; null: unknown. */
      readonly divergedBytes: bigint | null;
    },
  ];
  /** The leader does not answer, or leads no more. Operations wait. */
  leaderLost: [{ readonly last: NodeDescription | null; readonly reason: string }];
  /** A planned change begins: writes are held for `deadlineMs` at most. */
  leaderChanging: [{ readonly successor: string | null; readonly deadlineMs: number }];
  /** It did not come: writes go on to the same leader. */
  leaderChangeAborted: [{ readonly successor: string | null }];
  /** Somebody claims to lead under an epoch that is over. */
  staleLeaderIgnored: [
    { readonly node: string; readonly epoch: Epoch | null; readonly known: Epoch | null },
  ];
  /** Within one epoch another node claims to lead. Who was known first counts. */
  topologyConflict: [{ readonly known: string; readonly claimed: string }];
  /** A node became known. */
  nodeAdded: [{ readonly node: NodeDescription }];
  /** No source knows it any more. */
  nodeRemoved: [{ readonly node: NodeDescription }];
  /** Something is new about one node. */
  nodeChanged: [{ readonly node: NodeDescription }];
  /** A connection did not answer a `PING`, and was cut. */
  heartbeatFailed: [{ readonly node: string; readonly error: Error; readonly durationMs: number }];
  /** A connection led to something that does not lead, and was given up. */
  roleCheckFailed: [
    {
      readonly node: string;
      /** What the connection is for: who leads, or a node that fits a read preference. */
      readonly expected: "leader" | "reader";
      /** In words, such as `it is a replica`. */
      readonly found: string;
    },
  ];
  /**
   * Subscriptions are back; what was published meanwhile did not arrive. `gapMs` counts from the
   * last word of the old connection: no less than what is missing.
   */
  subscriptionGap: [{ readonly channels: readonly string[]; readonly gapMs: number }];
  /** An operation was rejected as `unknown`. */
  outcomeUnknown: [{ readonly command: string; readonly epoch: Epoch | null }];
  /** A connection failed. The client makes it again. */
  connectionError: [{ readonly error: Error }];
  /** A source of the topology cannot look. It goes on trying. */
  providerFault: [{ readonly provider: string; readonly error: Error }];
  /** After `close`. */
  closed: [];
}
