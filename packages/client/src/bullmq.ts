/**
 * Connections for BullMQ, which knows a lost connection by its message alone.
 *
 * A producer fails within seconds, since a request waits for it; a worker waits for a leader for as
 * long as it takes. Their errors say `Connection is closed.`; the readable text is in `cause`, and
 * `code` and `outcome` stay.
 */
import type { ConnectionPlan } from "./connections.ts";
import {
  ClientClosedError,
  LeaderUnavailableError,
  NotLeaderError,
  QueueFullError,
  WriteOutcomeUnknownError,
} from "./errors.ts";
import type { OperationOptions, ResolvedOptions } from "./operation.ts";
import { resolveOperation } from "./options.ts";
import { profileDefaults, type ProfileDefaults } from "./profile.ts";

/** `producer` fails after 5 s without a leader; `worker` waits for as long as it takes. */
export type BullmqKind = "producer" | "worker";

const CONNECTION_ERRORS = [
  ...[ClientClosedError, LeaderUnavailableError, NotLeaderError],
  ...[QueueFullError, WriteOutcomeUnknownError],
];

const PRODUCER: ProfileDefaults = { operation: { waitForLeaderMs: 5_000 }, redis: {} };

export function bullmqPlan(
  kind: BullmqKind,
  overrides: OperationOptions,
  standard: ResolvedOptions,
): ConnectionPlan {
  const own = kind === "producer" ? PRODUCER : profileDefaults("blocking");
  const operation = resolveOperation({ ...own.operation, ...overrides }, standard);
  return { operation, redis: own.redis, translate: asConnectionClosed };
}

function asConnectionClosed(error: Error): Error {
  if (!CONNECTION_ERRORS.some((kind) => error instanceof kind)) return error;
  error.cause = new Error(error.message, { cause: error.cause });
  error.message = "Connection is closed.";
  return error;
}
