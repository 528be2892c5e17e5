/**
 * Performs one action of the core: the only switch over action types.
 *
 * Guarantees: actions start in the order of their list; permit and kill have happened when the
 * call returns; every other action that reports back does so exactly once, whatever its port
 * does. Throws `FenceError` if permit or kill could not be written: what follows in the list
 * relied on it. Decides nothing.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { MemberName, PromiseAnswer } from "@leasehold/election";
import type { Action, MemberEventBody, Peer } from "@leasehold/replication";
import { awaitOffset } from "./await-offset.ts";
import { withDeadline } from "./bounded.ts";
import { DEADLINES_MS, PORT_GRACE_MS, roleDeadlineMs } from "./deadlines.ts";
import type { RuntimeEnd, RuntimePorts } from "./runtime-ports.ts";

export class FenceError extends Error {}

export interface PerformContext {
  readonly ports: RuntimePorts;
  readonly dispatch: (event: MemberEventBody) => void;
  /** Gives the answer to a member that waits for it. */
  readonly answerPromise: (requestId: number, answer: PromiseAnswer) => void;
  readonly answerHandover: (requestId: number, attempt: string | null) => void;
  /** Nothing of the list is performed after it. */
  readonly end: (end: RuntimeEnd) => void;
}

type Of<T extends Action["type"]> = Extract<Action, { readonly type: T }>;

export function perform(action: Action, context: PerformContext): void {
  const { ports } = context;
  switch (action.type) {
    case "readLease":
      return readLease(action, context);
    case "writeLease":
      return writeLease(action, context);
    case "writePermit":
      return fence(() => ports.run.writePermit(action.permit));
    case "writeRecord":
      return writeRecord(action, context);
    case "redisRole":
      return redisRole(action, context);
    case "kill":
      return fence(() => ports.run.writeKill(action.bootId, action.pid));
    case "askPeers":
      return askPeers(action, context);
    case "awaitOffset":
      return askOffset(action, context);
    case "askPromises":
      return askPromises(action, context);
    case "answerPromise":
      return context.answerPromise(action.requestId, action.answer);
    case "answerHandover":
      return context.answerHandover(action.requestId, action.attempt);
    case "hint":
      return hint(action, context);
    case "readSlice":
      return readSlice(context);
    case "writeSlice":
      return writeSlice(action, context);
    case "readPods":
      return readPods(action, context);
    case "reportStopped":
      return reportStopped(context);
    case "askSource":
      return askSource(action, context);
    case "openSource":
      return openSource(context);
    case "finishRequest":
      return finishRequest(action, context);
    case "endPause":
      return endPause(action, context);
    case "announce":
      return announce(action, context);
    case "exit":
      return context.end({ kind: "decided" });
  }
}

interface Work<T> {
  readonly run: () => Promise<T>;
  readonly deadlineMs: number;
  /** What the core is told if the port breaks its contract. */
  readonly broken: (message: string) => T;
}

/** Runs a port's call; the result is an event in any case. */
function report<T>(
  context: PerformContext,
  work: Work<T>,
  event: (outcome: T) => MemberEventBody,
): void {
  void guarded(work.run, work.deadlineMs).then(
    (outcome) => context.dispatch(event(outcome)),
    (error: unknown) => {
      context.ports.log.warn({ error: String(error) }, "a port did not keep its contract");
      context.dispatch(event(work.broken(String(error))));
    },
  );
}

async function guarded<T>(run: () => Promise<T>, deadlineMs: number): Promise<T> {
  return withDeadline(run(), deadlineMs + PORT_GRACE_MS);
}

function fence(write: () => void): void {
  try {
    write();
  } catch (error) {
    throw new FenceError(`the run directory cannot be written: ${String(error)}`);
  }
}

/** A hook that is not told waits for its own time-out and goes on: no reason to end the process. */
function reportStopped({ ports }: PerformContext): void {
  try {
    ports.run.writeStopped();
  } catch (error) {
    ports.log.error({ error: String(error) }, "the preStop hook could not be told to go on");
  }
}

function readLease({ seq }: Of<"readLease">, context: PerformContext): void {
  const deadlineMs = DEADLINES_MS.leaseRead;
  const run = () => context.ports.leases.read(deadlineMs);
  const broken = (message: string) => ({ kind: "failed", status: null, message }) as const;
  report(context, { run, deadlineMs, broken }, (outcome) => ({ type: "leaseRead", seq, outcome }));
}

function writeLease(action: Of<"writeLease">, context: PerformContext): void {
  const { seq, attempt, write, connection } = action;
  const deadlineMs = DEADLINES_MS.leaseWrite;
  const run = () => context.ports.leases.write(write, deadlineMs, connection);
  const broken = (message: string) => ({ kind: "unknown", status: null, message }) as const;
  report(context, { run, deadlineMs, broken }, (outcome) => ({
    type: "leaseWritten",
    seq,
    attempt,
    outcome,
  }));
}

function writeRecord({ seq, record }: Of<"writeRecord">, context: PerformContext): void {
  const deadlineMs = DEADLINES_MS.recordWrite;
  const run = () => context.ports.record.write(record);
  const broken = (message: string) => ({ ok: false, message });
  report(context, { run, deadlineMs, broken }, ({ ok, message }) => {
    if (!ok) context.ports.log.error({ message }, "the record of this member was not written");
    return { type: "recordWritten", seq, ok, message };
  });
}

function redisRole({ id, command, process }: Of<"redisRole">, context: PerformContext): void {
  const deadlineMs = roleDeadlineMs(command);
  const run = () => context.ports.redis.role(command, process, deadlineMs);
  const broken = (message: string) =>
    ({ ok: false, sent: true, error: "timeout", message }) as const;
  report(context, { run, deadlineMs, broken }, (outcome) => ({
    type: "redisRoleDone",
    id,
    outcome,
  }));
}

function askPeers({ round, peers, timeoutMs }: Of<"askPeers">, context: PerformContext): void {
  const ask = async (peer: Peer): Promise<void> => {
    const report = await orNull(() => context.ports.peers.report(peer, timeoutMs), timeoutMs);
    context.dispatch({ type: "peerReported", round, member: peer.member, report });
  };
  void Promise.all(peers.map(ask)).then(() => context.dispatch({ type: "peersDone", round }));
}

function askPromises(action: Of<"askPromises">, context: PerformContext): void {
  const { request, peers, timeoutMs } = action;
  const told = (member: MemberName, answer: PromiseAnswer | null): void =>
    context.dispatch({ type: "promiseAnswered", round: request.round, member, answer });
  for (const peer of peers) {
    const ask = () => context.ports.peers.promise(peer, request, timeoutMs);
    void orNull(ask, timeoutMs).then((answer) => told(peer.member, answer));
  }
}

/** A peer that breaks its contract is one that did not answer. */
async function orNull<T>(run: () => Promise<T | null>, deadlineMs: number): Promise<T | null> {
  try {
    return await guarded(run, deadlineMs);
  } catch {
    return null;
  }
}

function askOffset(action: Of<"awaitOffset">, context: PerformContext): void {
  const { id, peer, offset, handover, timeoutMs } = action;
  const { redis, peers } = context.ports;
  const run = () =>
    awaitOffset({
      wanted: offset,
      timeoutMs,
      own: () => redis.offset(DEADLINES_MS.ownOffset),
      theirs: (leftMs) => peers.offset(peer, handover, leftMs),
    });
  const broken = () => ({ equal: false, own: -1, theirs: null, accepted: null });
  report(context, { run, deadlineMs: timeoutMs, broken }, (answer) => ({
    type: "offsetAwaited",
    id,
    ...answer,
  }));
}

function hint({ peers, timeoutMs }: Of<"hint">, context: PerformContext): void {
  for (const peer of peers) {
    context.ports.peers.hint(peer, timeoutMs).catch(() => undefined);
  }
}

/** A read that failed is no news: the core asks again by itself. */
function readSlice(context: PerformContext): void {
  const deadlineMs = DEADLINES_MS.sliceRead;
  const read = async (): Promise<void> => {
    const slice = await guarded(() => context.ports.slices.read(deadlineMs), deadlineMs);
    if ("failed" in slice) throw new Error(slice.failed);
    context.dispatch({ type: "sliceObserved", slice });
  };
  read().catch((error: unknown) => {
    context.ports.log.debug({ error: String(error) }, "the slice was not read");
  });
}

function writeSlice({ seq, slice }: Of<"writeSlice">, context: PerformContext): void {
  const deadlineMs = DEADLINES_MS.sliceWrite;
  const run = () => context.ports.slices.write(slice, deadlineMs);
  const broken = (message: string) => ({ kind: "failed", message }) as const;
  report(context, { run, deadlineMs, broken }, (outcome) => ({
    type: "sliceWritten",
    seq,
    outcome,
  }));
}

/** A read that failed is no news: the core asks again by itself. */
function readPods(action: Of<"readPods">, context: PerformContext): void {
  const deadlineMs = DEADLINES_MS.podsRead;
  const read = async (): Promise<void> => {
    const pods = await guarded(() => context.ports.pods.readPods(deadlineMs), deadlineMs);
    context.dispatch({ type: "podsObserved", pods, seq: action.seq });
  };
  read().catch((error: unknown) => {
    context.ports.log.debug({ error: String(error) }, "the pods were not read");
  });
}

function askSource({ id, closes }: Of<"askSource">, context: PerformContext): void {
  const deadlineMs = DEADLINES_MS.source;
  const none = { kind: "failed", words: "no source is configured" } as const;
  const run = async () => context.ports.source?.stand(closes, deadlineMs) ?? none;
  const broken = (words: string) => ({ kind: "failed", words }) as const;
  report(context, { run, deadlineMs, broken }, (outcome) => ({
    type: "sourceAnswered",
    id,
    outcome,
  }));
}

function openSource({ ports }: PerformContext): void {
  const deadlineMs = DEADLINES_MS.source;
  const open = async (): Promise<void> => {
    const why = await guarded(async () => ports.source?.reopen(deadlineMs) ?? null, deadlineMs);
    if (why !== null) throw new Error(why);
  };
  open().catch((error: unknown) => {
    ports.log.warn(
      { error: String(error) },
      "the source was not opened at once: it is tried again",
    );
  });
}

function finishRequest(action: Of<"finishRequest">, context: PerformContext): void {
  const { requestId, result } = action;
  const deadlineMs = DEADLINES_MS.requestResult;
  const run = () => context.ports.control.finish(requestId, result, deadlineMs);
  const answer = async (): Promise<void> => {
    // The hand-over that it tells about still needs the API server.
    await sleep(DEADLINES_MS.afterHandover);
    await guarded(run, deadlineMs);
  };
  answer().catch((error: unknown) => {
    context.ports.log.warn({ requestId, error: String(error) }, "a request was not answered");
  });
}

function endPause({ pauseId }: Of<"endPause">, context: PerformContext): void {
  const deadlineMs = DEADLINES_MS.requestResult;
  guarded(() => context.ports.control.endPause(pauseId, deadlineMs), deadlineMs).catch(
    (error: unknown) => {
      context.ports.log.warn({ pauseId, error: String(error) }, "a pause was not taken away");
    },
  );
}

function announce(action: Of<"announce">, context: PerformContext): void {
  const { reason, epoch, change, words } = action;
  context.ports.log.info({ reason, epoch, ...(change && { change }) }, words);
  context.ports.journal.announce(action);
}
