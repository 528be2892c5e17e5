/**
 * Tells readers of any member that the leader is about to change: clients that know hold their
 * writes back instead of having them refused.
 *
 * Guarantees: the pause that it tells of has been sent before other members are told. Those that
 * have just said that they have no readers are not. Best effort: who is not reached in time learns
 * of the change when it has come.
 */
import type { Action, MemberStatus, Peer } from "@leasehold/replication";
import type { PeerClient } from "./peers/peer-client.ts";
import type { ChangeNotice } from "./peers/messages.ts";

export interface PlannedChange {
  /** Of this process. */
  readonly identity: string;
  readonly status: () => MemberStatus;
  readonly others: () => readonly Peer[];
  readonly peers: Pick<PeerClient, "changing">;
  /** The own readers. */
  readonly tell: (notice: ChangeNotice) => void;
}

/** To be called with each action before it is performed. */
export function tellOfChange(action: Action, change: PlannedChange): void {
  if (action.type !== "redisRole" || action.command.kind !== "pause") return;
  // The pause of a switchover, not the one that a new leader keeps until it is published.
  if (action.reason !== "transferSwitchover") return;
  const { epoch, successor, peers } = change.status();
  const notice = { epoch, successor, deadlineMs: Math.ceil(action.command.pauseMs) };
  change.tell(notice);
  setImmediate(() => {
    for (const peer of change.others()) {
      const report = peers.find(({ member }) => member === peer.member);
      if (report?.listeners === 0) continue;
      const told = { ...notice, from: change.identity, round: action.id };
      change.peers.changing(peer, told, notice.deadlineMs).catch(() => undefined);
    }
  });
}
