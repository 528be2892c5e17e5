/**
 * Asks one member for its offset until it equals ours: the drain of a switchover.
 *
 * Guarantees: ends within `timeoutMs`; `equal` only if the peer's own Redis said this very offset
 * after the call began. With "current" both sides are asked at the same time, so equality means
 * that both stood there once; the deciding check of the protocol asks for a fixed offset.
 */
import type { Offset } from "@leasehold/election";
import { pause } from "./bounded.ts";
import { OFFSET_INTERVAL_MS } from "./deadlines.ts";

export interface OffsetQuestion {
  /** "current": the own offset, asked anew each time. */
  readonly wanted: Offset | "current";
  readonly timeoutMs: number;
  /** Null: no answer. */
  readonly own: () => Promise<Offset | null>;
  readonly theirs: (timeoutMs: number) => Promise<OffsetReply | null>;
}

export interface OffsetReply {
  /** Null: its Redis does not answer. */
  readonly offset: Offset | null;
  /** Attempt by which the peer accepts the hand-over in advance; null: it does not. */
  readonly accepted: string | null;
}

export interface OffsetAnswer {
  readonly equal: boolean;
  /** -1: our own Redis never answered. */
  readonly own: Offset;
  readonly theirs: Offset | null;
  /** Of the reply that was equal. */
  readonly accepted: string | null;
}

export async function awaitOffset(question: OffsetQuestion): Promise<OffsetAnswer> {
  const deadline = performance.now() + question.timeoutMs;
  let own = question.wanted === "current" ? -1 : question.wanted;
  let theirs: Offset | null = null;
  for (;;) {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return { equal: false, own, theirs, accepted: null };
    const [ownNow, reply] = await Promise.all([
      question.wanted === "current" ? question.own() : question.wanted,
      question.theirs(leftMs),
    ]);
    const theirsNow = reply?.offset ?? null;
    own = ownNow ?? own;
    theirs = theirsNow ?? theirs;
    if (theirsNow !== null && theirsNow === ownNow) {
      return { equal: true, own, theirs, accepted: reply?.accepted ?? null };
    }
    await pause(OFFSET_INTERVAL_MS);
  }
}
