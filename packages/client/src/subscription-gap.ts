/**
 * Tells for how long a subscriber may have missed what was published: from the last byte of its old
 * connection, which may have been dead long before that was noticed, until a PING that was sent
 * behind its subscriptions is answered.
 */
import type { Redis } from "ioredis";
import type { FollowerEvents } from "./follower-link.ts";

const KINDS = ["subscribe", "psubscribe", "ssubscribe"] as const;

export class SubscriptionGap {
  #open: { readonly channels: readonly string[]; readonly sinceMs: number } | null = null;

  /** The connection of this condition is lost. */
  begin(condition: Redis["condition"], heardAtMs: number): void {
    const subscriber = condition?.subscriber;
    if (!subscriber || this.#open) return;
    const channels = KINDS.flatMap((kind) => subscriber.channels(kind));
    if (channels.length > 0) this.#open = { channels, sinceMs: heardAtMs };
  }

  /** There is another one, and ioredis has subscribed on it. */
  end(ping: () => Promise<unknown>, events: FollowerEvents): void {
    const gap = this.#open;
    if (!gap) return;
    const subscribed = (): void => {
      this.#open = null;
      events.subscriptionGap(gap.channels, performance.now() - gap.sinceMs);
    };
    // Lost again: the gap goes on.
    ping().then(subscribed, () => {});
  }
}
