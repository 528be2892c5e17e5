/**
 * Performs the core's actions in the virtual world, as apps/sidecar performs them in the real one:
 * permit and kill at once, everything else reports back by an event, exactly once, or the process
 * has ended. The only switch over action types here. Decides nothing.
 */
import type { LeaseReadOutcome, LeaseWriteOutcome } from "@leasehold/election";
import type { Action, SliceObservation, SliceOutcome } from "@leasehold/replication";
import type { ApiFailure } from "../api/server.ts";
import { LEASE_READ_MS, LEASE_WRITE_MS, OBJECT_MS } from "../figures.ts";
import { askOffset, askPeers, askPromises, hint } from "./ask.ts";
import type { Sidecar } from "./sidecar.ts";

type Of<T extends Action["type"]> = Extract<Action, { readonly type: T }>;

export function perform(sidecar: Sidecar, action: Action): void {
  const { pod, world } = sidecar;
  switch (action.type) {
    case "readLease":
      return readLease(sidecar, action);
    case "writeLease":
      return writeLease(sidecar, action);
    case "writePermit":
      pod.tmpfs.permit = action.permit;
      world.judge.permitWritten(pod);
      return;
    case "writeRecord":
      return writeRecord(sidecar, action);
    case "redisRole":
      return sidecar.roles.send({
        command: action.command,
        process: action.process,
        done: (outcome) => sidecar.dispatch({ type: "redisRoleDone", id: action.id, outcome }),
      });
    case "kill":
      pod.tmpfs.killRequest = { bootId: action.bootId, pid: action.pid };
      return;
    case "askPeers":
      return askPeers(sidecar, action);
    case "awaitOffset":
      return askOffset(sidecar, action);
    case "askPromises":
      return askPromises(sidecar, action);
    case "answerPromise":
      return sidecar.answerPromise(action.requestId, action.answer);
    case "answerHandover":
      return sidecar.answerHandover(action.requestId, action.attempt);
    case "hint":
      return hint(sidecar, action);
    case "readSlice":
      return readSlice(sidecar);
    case "writeSlice":
      return writeSlice(sidecar, action);
    case "readPods":
      return readPods(sidecar, action.seq);
    case "reportStopped":
      pod.tmpfs.stopped = true;
      return;
    case "askSource":
      return sidecar.source.stand(action.closes, (outcome) =>
        sidecar.dispatch({ type: "sourceAnswered", id: action.id, outcome }),
      );
    case "openSource":
      return sidecar.source.reopen();
    case "finishRequest":
      return finishRequest(sidecar, action);
    case "endPause":
      return endPause(sidecar, action);
    case "announce":
      return world.log(pod.label, `[${action.reason}] epoch ${action.epoch}: ${action.words}`);
    case "exit":
      sidecar.end();
      pod.sidecarEnded();
      return;
  }
}

function isFailure(answer: object): answer is ApiFailure {
  return "failed" in answer;
}

function readLease(sidecar: Sidecar, { seq }: Of<"readLease">): void {
  const { world, pod } = sidecar;
  world.api.call<LeaseReadOutcome>(pod.machine.address, {
    deadlineMs: LEASE_READ_MS,
    execute: () => world.store.getLease(),
    answered: (answer) => {
      const outcome: LeaseReadOutcome = isFailure(answer)
        ? { kind: "failed", status: answer.status, message: answer.message }
        : answer;
      sidecar.dispatch({ type: "leaseRead", seq, outcome });
    },
  });
}

function writeLease(sidecar: Sidecar, action: Of<"writeLease">): void {
  const { world, pod } = sidecar;
  const { seq, attempt, write } = action;
  world.judge.leaseSent(sidecar, write);
  world.api.call<LeaseWriteOutcome>(pod.machine.address, {
    deadlineMs: LEASE_WRITE_MS,
    execute: () => {
      const { base, record } = write;
      if (base === null) return world.store.postLease(record);
      const { uid, resourceVersion } = base;
      return world.store.putLease({ uid, resourceVersion, record });
    },
    answered: (answer) => {
      const outcome: LeaseWriteOutcome = isFailure(answer)
        ? { kind: "unknown", status: answer.status, message: answer.message }
        : answer;
      sidecar.dispatch({ type: "leaseWritten", seq, attempt, outcome });
    },
  });
}

/** tmp, fsync, rename: a reader sees it a little before a power loss would leave it. */
function writeRecord(sidecar: Sidecar, { seq, record }: Of<"writeRecord">): void {
  const { world, pod } = sidecar;
  const delayMs = 0.5 + world.random.exponential(2.5) + world.diskDelayMs(pod);
  world.clock.after(delayMs * 0.8, () => {
    if (pod.gone || !pod.machine.powered || !sidecar.alive) return;
    pod.volume.record = record;
    world.clock.after(delayMs * 0.2, () => {
      if (!pod.machine.powered) return;
      pod.volume.durableRecord = record;
      sidecar.dispatch({ type: "recordWritten", seq, ok: true, message: "" });
    });
  });
}

function readSlice(sidecar: Sidecar): void {
  const { world, pod } = sidecar;
  world.api.call<SliceObservation>(pod.machine.address, {
    deadlineMs: OBJECT_MS,
    execute: () => world.store.getSlice(),
    answered: (slice) => {
      if (!isFailure(slice)) sidecar.dispatch({ type: "sliceObserved", slice });
    },
  });
}

function writeSlice(sidecar: Sidecar, { seq, slice }: Of<"writeSlice">): void {
  const { world, pod } = sidecar;
  world.api.call<SliceOutcome>(pod.machine.address, {
    deadlineMs: OBJECT_MS,
    execute: () => world.store.writeSlice(slice),
    answered: (answer) => {
      const outcome: SliceOutcome = isFailure(answer)
        ? { kind: "failed", message: answer.message }
        : answer;
      sidecar.dispatch({ type: "sliceWritten", seq, outcome });
    },
  });
}

function readPods(sidecar: Sidecar, seq: number): void {
  const { world, pod } = sidecar;
  world.api.call(pod.machine.address, {
    deadlineMs: OBJECT_MS,
    execute: () => world.store.getPods(),
    answered: (pods) => {
      if (!isFailure(pods)) sidecar.dispatch({ type: "podsObserved", pods, seq });
    },
  });
}

function endPause({ world, pod }: Sidecar, { pauseId }: Of<"endPause">): void {
  world.api.call<null>(pod.machine.address, {
    deadlineMs: OBJECT_MS,
    execute: () => {
      const { control } = world.store;
      if (control.pauseSpan?.id === pauseId) {
        world.store.setControl({ ...control, paused: false, pauseSpan: null });
      }
      return null;
    },
    answered: () => undefined,
  });
}

function finishRequest(sidecar: Sidecar, action: Of<"finishRequest">): void {
  const { world, pod } = sidecar;
  const { done, words } = action.result;
  world.log(pod.label, `request ${action.requestId} ${done ? "done" : "refused"}: ${words}`);
  world.api.call<null>(pod.machine.address, {
    deadlineMs: OBJECT_MS,
    execute: () => {
      const { control } = world.store;
      if (control.request?.id === action.requestId) {
        world.store.setControl({ ...control, request: null });
        if (control.request.kind === "cutover") world.source?.mover.answered(action.result);
      }
      return null;
    },
    answered: () => undefined,
  });
}
