/**
 * `timeoutMs` and `signal` of one operation.
 *
 * Guarantees: what waits is taken out of the queue, so it is never sent; what was written once is
 * rejected as unknown, its connection stays, and its late reply is dropped. Leaves no timer and no
 * listener once the operation is settled.
 */
import { setMaxListeners } from "node:events";
import type { Command } from "ioredis";
import * as messages from "./messages.ts";
import { isPending, noteOf, type Operation, type ResolvedOptions } from "./operation.ts";

export interface Cancellable {
  withdraw(command: Command): Operation | null;
  isHeld(command: Command): boolean;
  fail(command: Command, error: Error): void;
}

export function watchOperation(
  command: Command,
  { timeoutMs, signal }: ResolvedOptions,
  owner: Cancellable,
): void {
  if (timeoutMs === null && signal === null) return;
  const onAbort = (): void => cancel(command, null, owner);
  const timer =
    timeoutMs === null ? undefined : setTimeout(() => cancel(command, timeoutMs, owner), timeoutMs);
  if (signal) {
    // One signal may well be that of many operations.
    setMaxListeners(0, signal);
    signal.addEventListener("abort", onAbort, { once: true });
  }
  const end = (): void => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  };
  command.promise.then(end, end);
}

function cancel(command: Command, timeoutMs: number | null, owner: Cancellable): void {
  if (!isPending(command)) return;
  const waiting = owner.withdraw(command);
  const commands = waiting?.commands ?? noteOf(command)?.batch ?? [command];
  for (const one of commands) {
    if (!isPending(one)) continue;
    // Each by itself: one of a pipeline may be refused while another has run.
    const isUnsent = waiting !== null || owner.isHeld(one);
    const phase = isUnsent && !noteOf(one)?.mayHaveRun ? "waiting" : "written";
    owner.fail(one, messages.timedOut(one.name.toUpperCase(), phase, { timeoutMs }));
  }
}
