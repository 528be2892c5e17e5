/** Asking the others where they stand: one round at a time, with a bound. */
import { waiterElapsedMs } from "@leasehold/election";
import type { Peer } from "./action.ts";
import { isInSync } from "./members.ts";
import { redisIsUp } from "./redis-view.ts";
import { act, otherPeers, set, type Turn } from "./turn.ts";

/** A round that was never closed is given up after this long. */
const ROUND_MS = 600;
/** A slow answer must not hold up an urgent question. */
const POLL_TIMEOUT_MS = 150;
/** A hand-over takes less. */
const CHANGE_MS = 100;

/** `since`: a round that began before it is no answer: an urgent question does not wait for it. */
export function askPeers(
  turn: Turn,
  timeoutMs: number,
  since?: { readonly monotonicMs: number },
): void {
  const { poll, pods, record } = turn.state;
  // Who does not know the others yet has not asked them: no answer is not "nobody there".
  if (pods === null && Object.keys(record.saved?.addresses ?? {}).length === 0) return;
  const open = poll.startedAt !== null && poll.doneAt === null;
  const isOld = since !== undefined && (poll.startedAt?.monotonicMs ?? 0) < since.monotonicMs;
  const isYoung = poll.startedAt !== null && waiterElapsedMs(poll.startedAt, turn.at) < ROUND_MS;
  if (open && isYoung && !isOld) return;
  const round = poll.round + 1;
  const peers = otherPeers(turn.state);
  forgetUnasked(turn, peers);
  if (peers.length === 0) {
    set(turn, { poll: { round, startedAt: turn.at, doneAt: turn.at, freshFrom: turn.at } });
    return;
  }
  set(turn, { poll: { ...poll, round, startedAt: turn.at, doneAt: null } });
  act(turn, { type: "askPeers", reason: "poll", round, peers, timeoutMs });
}

/** Who has no address any more is silent, whatever it said before. */
function forgetUnasked(turn: Turn, asked: readonly Peer[]): void {
  const names = new Set(asked.map((peer) => peer.member));
  const peers = Object.entries(turn.state.peers).map(
    ([name, peer]) => [name, names.has(name) ? peer : { ...peer, answered: false }] as const,
  );
  set(turn, { peers: Object.fromEntries(peers) });
}

/** Another round, unless one began less than `spacingMs` ago. */
export function askAgain(turn: Turn, spacingMs: number): void {
  const last = turn.state.poll.startedAt;
  if (last !== null && waiterElapsedMs(last, turn.at) < spacingMs) return;
  askPeers(turn, spacingMs);
}

/** A whole round that began less than `ageMs` ago has ended. */
export function isFresh(turn: Turn, ageMs: number): boolean {
  const { freshFrom } = turn.state.poll;
  return freshFrom !== null && waiterElapsedMs(freshFrom, turn.at) <= ageMs;
}

/** A whole round that began at or after `since` has ended. */
export function isFreshSince(turn: Turn, since: { readonly monotonicMs: number }): boolean {
  const { freshFrom } = turn.state.poll;
  return freshFrom !== null && freshFrom.monotonicMs >= since.monotonicMs;
}

/** The lead that was handed over, or the Lease as another one wrote it, is as new as that. */
function isChangingHands({ state, at }: Turn): boolean {
  const { view } = state.election;
  const { lead } = state;
  // Whoever won it in another way may have to give it on, and to whom is asked at once.
  if (lead !== null) return lead.way === "handover" && waiterElapsedMs(lead.since, at) < CHANGE_MS;
  return view.kind === "present" && waiterElapsedMs(view.since, at) < CHANGE_MS;
}

/**
 * The leader keeps an eye on its members each R; who follows nobody looks for the leader. Not while
 * a lead changes hands: who needs positions then asks for them himself (plan-won).
 */
export function planPoll(turn: Turn): void {
  const { lead, handoff, poll } = turn.state;
  if (handoff === null && isChangingHands(turn)) return;
  const lost = redisIsUp(turn.state) && !isInSync(turn.state, turn.config);
  if (lead === null && handoff === null && !lost) return;
  const { renewIntervalMs } = turn.config;
  const last = poll.startedAt;
  if (last !== null && waiterElapsedMs(last, turn.at) < renewIntervalMs) return;
  askPeers(turn, POLL_TIMEOUT_MS);
}
