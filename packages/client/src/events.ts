/** The events of a client. Every object is frozen. */
import type { TopologyEvent } from "./topology/state.ts";
import type { Epoch, LeaderChangeVia, NodeDescription, TopologyDescription } from "./types.ts";

export type { TopologyEvent };

export interface LeaseholdEvents {
  topologyChanged: [
    { readonly previous: TopologyDescription; readonly current: TopologyDescription },
  ];
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
  leaderLost: [{ readonly last: NodeDescription | null; readonly reason: string }];
  leaderChanging: [{ readonly successor: string | null; readonly deadlineMs: number }];
  leaderChangeAborted: [{ readonly successor: string | null }];
  staleLeaderIgnored: [
    { readonly node: string; readonly epoch: Epoch | null; readonly known: Epoch | null },
  ];
  topologyConflict: [{ readonly known: string; readonly claimed: string }];
  nodeAdded: [{ readonly node: NodeDescription }];
  nodeRemoved: [{ readonly node: NodeDescription }];
  nodeChanged: [{ readonly node: NodeDescription }];
  heartbeatFailed: [{ readonly node: string; readonly error: Error; readonly durationMs: number }];
  roleCheckFailed: [{ readonly node: string; readonly found: string }];
  subscriptionGap: [{ readonly channels: readonly string[]; readonly gapMs: number }];
  outcomeUnknown: [{ readonly command: string; readonly epoch: Epoch | null }];
  connectionError: [{ readonly error: Error }];
  providerFault: [{ readonly provider: string; readonly error: Error }];
  closed: [];
}
