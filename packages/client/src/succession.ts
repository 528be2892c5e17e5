/**
 * Whether the present leader has a write that the one before it had acknowledged: by what the two
 * servers tell of their histories, for a WAIT that the change has interrupted.
 *
 * Guarantees: a copy counts only if the data proves it. The server that ran the write tells, on a
 * connection that is older than the write and so leads to the same process, how far its history
 * reaches by now; the new leader says at its handshake up to where it shares that history. The
 * announcement of a change proves nothing here, nor does the order of epochs.
 */
import { CORE, type Follower } from "./follower.ts";
import type { Connected, FollowerCore } from "./follower-core.ts";
import { viewOf } from "./operation-view.ts";
import { historyIn, type History } from "./preflight.ts";
import type { Monitor } from "./topology/monitor.ts";

/** Where a batch was written, and when. */
export interface Sent {
  readonly at: Connected;
  readonly atMs: number;
  readonly named: ReturnType<Monitor["nameOfEpoch"]>;
}

export interface SuccessionParts {
  readonly monitor: Pick<Monitor, "nameOfEpoch" | "target">;
  /** All of the client. */
  all(): readonly FollowerCore[];
}

/** The old leader answers at once, or is about to go. */
const ANSWER_MS = 1_000;

/** To be asked in the turn in which `count` commands were sent. Null: they wait, or are lost. */
export function sentOn(follower: Follower, count: number, { monitor }: SuccessionParts) {
  const core = follower[CORE];
  const at = core.node;
  const isWritten = core.path.queued === 0 && follower.commandQueue.length >= count;
  if (at === null || !isWritten) return null;
  return { at, atMs: performance.now(), named: monitor.nameOfEpoch() } satisfies Sent;
}

/**
 * How many copies certainly have what was acknowledged on `sent`: the present leader's, and that of
 * the one before where they are two. 0: nothing is known.
 */
export async function copiesLeft(
  sent: Sent,
  follower: Follower,
  parts: SuccessionParts & { readonly endAtMs: number },
): Promise<number> {
  const { monitor, endAtMs } = parts;
  const end = await endOf(sent, parts.all());
  if (end === null) return 0;
  const core = follower[CORE];
  const waitForLeaderMs = Math.max(0, endAtMs - performance.now());
  try {
    await viewOf(follower, { ...core.own.operation, waitForLeaderMs }).ping();
  } catch {
    return 0;
  }
  const now = core.node;
  if (now === null || monitor.target()?.tag !== now.destination.tag) return 0;
  if (!continues(now.proof, end)) return 0;
  const named = monitor.nameOfEpoch();
  const isOther = sent.named !== null && named !== null && named.epoch > sent.named.epoch;
  return isOther && named.id !== sent.named.id ? 2 : 1;
}

/** How far a server got in one history. */
export interface End {
  readonly replicationId: string;
  readonly offset: bigint;
}

/** Everything up to `end` is in the data of `next`, which was promoted in that history. */
export function continues(next: History, { replicationId, offset }: End): boolean {
  // The first byte that is not shared.
  const { previousReplicationId, branchOffset } = next;
  return previousReplicationId === replicationId && branchOffset !== null && branchOffset > offset;
}

/**
 * Where one that was in the history `replicationId` has left it, or is in it still. Null: it may
 * have dropped what it had, as one that was synced anew has: it remembers no history before.
 */
export function endIn(history: History, replicationId: string): End | null {
  const { previousReplicationId, branchOffset, offset } = history;
  if (history.replicationId === replicationId) {
    return offset === null ? null : { replicationId, offset };
  }
  if (previousReplicationId !== replicationId || branchOffset === null) return null;
  return { replicationId, offset: branchOffset - 1n };
}

/** How far the history reaches in which the batch ran; null: nobody can tell any more. */
async function endOf(sent: Sent, all: readonly FollowerCore[]): Promise<End | null> {
  const { replicationId } = sent.at.proof;
  if (replicationId === null) return null;
  const witness = all
    .filter((core) => isWitness(core, sent))
    .toSorted((one, other) => workOf(one) - workOf(other))[0];
  const at = witness?.node;
  if (!witness || !at) return null;
  const text = await inTime(witness.info("replication"));
  if (text === null || witness.node !== at) return null;
  return endIn(historyIn(text), replicationId);
}

/** Both said that they lead one history, which nobody else does: they lead to one process. */
function isWitness({ own, node, redis }: FollowerCore, { at, atMs }: Sent): boolean {
  if (!own.followsLeader || node === null || node === at || node.sinceMs >= atMs) return false;
  return node.proof.replicationId === at.proof.replicationId && redis.mode !== "subscriber";
}

function workOf({ redis }: FollowerCore): number {
  return redis.commandQueue.length;
}

async function inTime(answer: Promise<string>): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ANSWER_MS);
  });
  const text = answer.catch(() => null);
  return Promise.race([text, late]).finally(() => clearTimeout(timer));
}
