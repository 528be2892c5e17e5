/**
 * The write address: one slice PUT swaps it, asserted again with every look, never over a higher
 * epoch (docs/protocol.md, sections 1 and 3; red-team R1: never emptied on the way).
 */
import { hearEpoch, waiterElapsedMs } from "@leasehold/election";
import type { SliceOutcome } from "./event.ts";
import { sliceDraft } from "./drafts.ts";
import { uniteLineages } from "./lineage.ts";
import { sameAddress } from "./members.ts";
import type { SliceObservation } from "./observation.ts";
import { addressMoved } from "./plan-strays.ts";
import type { SliceState } from "./state.ts";
import { act, announce, right, set, type Turn } from "./turn.ts";

const ANSWER_MS = 3000;
const RETRY_MS = 300;

export function planSlice(turn: Turn): void {
  const { slice, lead } = turn.state;
  const draft = sliceDraft(turn.state);
  if (draft === null || right(turn) <= 0 || isWaiting(turn, slice)) return;
  if (slice.seen === null) return readSlice(turn);
  if (slice.seen.epoch > draft.epoch) return;
  if (isAsDrafted(slice.seen, draft)) return;
  const seq = turn.state.nextId;
  set(turn, {
    nextId: seq + 1,
    slice: { ...slice, pending: { seq, epoch: draft.epoch, at: turn.at } },
  });
  const reason = lead?.phase === "open" ? "repairSlice" : "publish";
  act(turn, { type: "writeSlice", reason, seq, slice: { ...draft, version: slice.seen.version } });
}

function isWaiting(turn: Turn, slice: SliceState): boolean {
  if (slice.pending !== null && waiterElapsedMs(slice.pending.at, turn.at) < ANSWER_MS) return true;
  return slice.retryAt !== null && slice.retryAt.monotonicMs > turn.at.monotonicMs;
}

function readSlice(turn: Turn): void {
  retryLater(turn);
  act(turn, { type: "readSlice", reason: "readBack" });
}

function retryLater(turn: Turn): void {
  const { monotonicMs, bootMs } = turn.at;
  const retryAt = { monotonicMs: monotonicMs + RETRY_MS, bootMs };
  set(turn, { slice: { ...turn.state.slice, pending: null, retryAt } });
}

type Draft = NonNullable<ReturnType<typeof sliceDraft>>;

function isAsDrafted(seen: SliceObservation, draft: Draft): boolean {
  return (
    seen.epoch === draft.epoch &&
    seen.holder === draft.holder &&
    sameAddress(seen.address, draft.address)
  );
}

export function observeSlice(turn: Turn, seen: SliceObservation): void {
  const before = turn.state.slice;
  const retryAt = before.seen === null ? null : before.retryAt;
  const another = seen.holder !== turn.state.election.me && seen.epoch > (before.seen?.epoch ?? 0);
  // Somebody was promoted: who was offered the lead before may be offered it again.
  if (another) set(turn, { deferred: [] });
  if (before.seen !== null) addressMoved(turn, before.seen.address, seen.address);
  const pending = before.pending && { ...before.pending, heard: seen.version };
  set(turn, {
    slice: { ...before, seen, retryAt, pending },
    election: hearEpoch(turn.state.election, seen.epoch, turn.at),
    lineage: uniteLineages(turn.state.lineage, seen.lineage),
  });
}

export function sliceWritten(turn: Turn, seq: number, outcome: SliceOutcome): void {
  const { slice } = turn.state;
  if (slice.pending?.seq !== seq) return;
  if (outcome.kind === "committed") {
    const { heard = outcome.slice.version } = slice.pending;
    set(turn, { slice: { ...slice, pending: null, retryAt: null } });
    observeSlice(turn, outcome.slice);
    // The watch may have told of what came after this: nobody would say it again.
    if (heard !== outcome.slice.version) readSlice(turn);
    return;
  }
  if (outcome.kind === "failed" && slice.retryAt === null) {
    announce(turn, "repairSlice", {
      words: `the write address could not be set: ${outcome.message}`,
    });
  }
  readSlice(turn);
}
