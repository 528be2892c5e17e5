/**
 * How long each action may take, in milliseconds. Nothing the sidecar waits for lacks a line here.
 *
 * A Lease write waits long, because its answer is worth having as long as it still gives a right
 * (0.9 D): the core opens the next try beside it after 0.8 s. Role commands wait half the hang
 * time-out, so that a Redis that does not answer one is killed before it is called hung.
 */
import type { RoleCommand } from "@leasehold/replication";

export const DEADLINES_MS = {
  leaseRead: 2_500,
  leaseWrite: 4_000,
  sliceRead: 2_000,
  sliceWrite: 2_000,
  podsRead: 2_000,
  /** One question to another member about its passwords. */
  credentials: 1_000,
  requestResult: 3_000,
  /** What a primary outside the group is asked inside a cutover. */
  source: 3_000,
  /** Answers to people, Events and history wait that long: a hand-over takes less. */
  afterHandover: 150,
  /** Each request of a rehearsal. */
  rehearsal: 2_000,
  recordRead: 10_000,
  recordWrite: 10_000,
  /**
   * A question to Redis without an answer counts as silence that early, because the hang time-out
   * runs from there. It stays open: a late answer answers the next question.
   */
  probe: 200,
  /** Before a report: a Redis that says nothing by then is reported as last seen. */
  freshProbe: 60,
  /** A question for the own offset inside a switchover. */
  ownOffset: 100,
  /** A member that asks for a promise gets its answer, or none, by then. */
  promiseAnswer: 2_000,
  /** From SIGTERM, or a fault, to the end of the process. */
  shutdown: 15_000,
  /** A predecessor that still holds the members' port. */
  predecessor: 60_000,
} as const;

/** Added to a port's own deadline before the runtime gives up on the port itself. */
export const PORT_GRACE_MS = 500;

/**
 * Between two questions to Redis. A leader's must find a hang within its bound; a replica that is
 * in sync is asked for its position by others, freshly, whenever that matters.
 */
export const PROBE_INTERVAL_MS = { inSync: 500, else: 200 } as const;
export const OFFSET_INTERVAL_MS = 2;

export function roleDeadlineMs(command: RoleCommand): number {
  // Two looks, 250 ms apart.
  return command.kind === "verifyDemoted" ? 1_500 : 1_000;
}
