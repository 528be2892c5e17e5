/**
 * Tells for how long a subscriber heard nothing: from the loss of its connection until a PING that
 * was sent behind its subscriptions is answered. What was published meanwhile is gone.
 */
import type { Redis } from "ioredis";
import type { FollowerEvents } from "./follower-link.ts";

const KINDS = ["subscribe", "psubscribe", "ssubscribe"] as const;

export class SubscriptionGap {
  #open: { readonly channels: readonly string[]; readonly sinceMs: number } | null = null;

  /** The connection of this condition is lost. */
  begin(condition: Redis["condition"]): void {
    const subscriber = condition?.subscriber;
    if (!subscriber || this.#open) return;
    const channels = KINDS.flatMap((kind) => subscriber.channels(kind));
    if (channels.length > 0) this.#open = { channels, sinceMs: performance.now() };
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
