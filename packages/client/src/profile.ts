/**
 * What a connection is for, as options of it: a caller's own come before them.
 *
 * A command that blocks holds up what was pipelined with it, and a subscription is worth nothing if
 * it gives up: both get a connection without auto-pipelining that waits for a leader without limit.
 */
import type { OperationOptions } from "./operation.ts";
import type { RedisClientOptions } from "./options.ts";

/** `blocking`: BLPOP, XREAD BLOCK and the like; `pubsub`: subscriptions, which are restored. */
export type Profile = "default" | "blocking" | "pubsub";

export interface ProfileDefaults {
  readonly operation: OperationOptions;
  readonly redis: RedisClientOptions;
}

export function profileDefaults(profile: Profile = "default"): ProfileDefaults {
  switch (profile) {
    case "default":
      return { operation: {}, redis: {} };
    case "blocking":
      return PATIENT;
    case "pubsub":
      return { ...PATIENT, redis: { ...PATIENT.redis, autoResubscribe: true } };
  }
}

const PATIENT = {
  operation: { waitForLeaderMs: Infinity },
  redis: { enableAutoPipelining: false },
} satisfies ProfileDefaults;
