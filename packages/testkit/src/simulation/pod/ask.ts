/** Questions to other members: through the network, into their event loop, and back. */
import type { PromiseAnswer } from "@leasehold/election";
import type { Action, MemberReport, Peer } from "@leasehold/replication";
import { OFFSET_INTERVAL_MS } from "../figures.ts";
import type { Sidecar } from "./sidecar.ts";

type Of<T extends Action["type"]> = Extract<Action, { readonly type: T }>;

interface Question<T> {
  readonly peer: Peer;
  readonly timeoutMs: number;
  /** Runs in the peer's process; calls `reply` at most once. */
  readonly put: (peer: Sidecar, reply: (answer: T) => void) => void;
  /** Null: no answer in time. Called once. */
  readonly answered: (answer: T | null) => void;
}

function ask<T>(sidecar: Sidecar, question: Question<T>): void {
  const { world, pod } = sidecar;
  let isDone = false;
  const finish = (answer: T | null): void => {
    if (isDone) return;
    isDone = true;
    world.clock.cancel(timer);
    sidecar.post(() => question.answered(answer));
  };
  const timer = world.clock.after(pod.machine.trueMs(question.timeoutMs), () => finish(null));
  const target = world.sidecarAt(question.peer.host);
  // No pod has this address, or nothing listens there: refused, but only if the way is open.
  const here = pod.machine.address;
  const there = target?.pod.machine.address ?? here;
  world.network.send(here, there, () => {
    if (target === null || !target.alive) {
      if (target === null || target.pod.machine.powered) {
        world.network.send(there, here, () => finish(null));
      }
      return;
    }
    target.post(() =>
      question.put(target, (answer) => world.network.send(there, here, () => finish(answer))),
    );
  });
}

export function askPeers(sidecar: Sidecar, action: Of<"askPeers">): void {
  const { round, peers, timeoutMs } = action;
  let open = peers.length;
  const done = (): void => sidecar.dispatch({ type: "peersDone", round });
  if (open === 0) sidecar.later(0.01, done);
  // Positions are compared: ours must be as fresh as theirs.
  sidecar.probe.refresh(() => undefined);
  for (const peer of peers) {
    ask<MemberReport>(sidecar, {
      peer,
      timeoutMs,
      put: (target, reply) => target.probe.refresh(() => reply(target.report())),
      answered: (report) => {
        sidecar.dispatch({ type: "peerReported", round, member: peer.member, report });
        open -= 1;
        if (open === 0) done();
      },
    });
  }
}

export function askPromises(sidecar: Sidecar, action: Of<"askPromises">): void {
  const { request, peers, timeoutMs } = action;
  for (const peer of peers) {
    ask<PromiseAnswer>(sidecar, {
      peer,
      timeoutMs,
      put: (target, reply) => target.askPromise(request, reply),
      answered: (answer) =>
        sidecar.dispatch({
          type: "promiseAnswered",
          round: request.round,
          member: peer.member,
          answer,
        }),
    });
  }
}

export function askOffset(sidecar: Sidecar, action: Of<"awaitOffset">): void {
  const { world, pod } = sidecar;
  const untilMs = world.clock.nowMs + pod.machine.trueMs(action.timeoutMs);
  const ownNow = (): number =>
    action.offset === "current" ? (offsetOf(sidecar) ?? -1) : action.offset;
  let theirs: number | null = null;
  const finish = (equal: boolean, own: number, accepted: string | null = null): void =>
    sidecar.dispatch({ type: "offsetAwaited", id: action.id, equal, own, theirs, accepted });
  const step = (): void => {
    const leftMs = untilMs - world.clock.nowMs;
    if (leftMs <= 0) return finish(false, ownNow());
    const own = ownNow();
    ask<OffsetReply>(sidecar, {
      peer: action.peer,
      timeoutMs: leftMs,
      put: (target, reply) => answerOffset(target, action.handover, reply),
      answered: (answer) => {
        theirs = answer?.offset ?? theirs;
        if (answer?.offset === own) finish(true, own, answer.accepted);
        else sidecar.later(OFFSET_INTERVAL_MS, step);
      },
    });
  };
  step();
}

interface OffsetReply {
  readonly offset: number | null;
  readonly accepted: string | null;
}

function answerOffset(
  target: Sidecar,
  handover: Of<"awaitOffset">["handover"],
  reply: (answer: OffsetReply) => void,
): void {
  const offset = offsetOf(target);
  if (handover === null) return reply({ offset, accepted: null });
  target.askHandover(handover, (accepted) => reply({ offset, accepted }));
}

/** Null: its Redis does not answer. */
function offsetOf({ pod }: Sidecar): number | null {
  return pod.redis?.isRunning() ? pod.redis.offset : null;
}

export function hint(sidecar: Sidecar, { peers, timeoutMs }: Of<"hint">): void {
  for (const peer of peers) {
    ask<null>(sidecar, {
      peer,
      timeoutMs,
      put: (target, reply) => {
        target.dispatch({ type: "leaseChanged", lease: null });
        reply(null);
      },
      answered: () => undefined,
    });
  }
}
