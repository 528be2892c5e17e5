/**
 * What becomes of commands that were written when their connection was lost. Pure.
 *
 * Guarantees: bytes of a write never go out again after a lost reply, unless the caller's own
 * policy says so for every command of its batch; of a transaction they never do.
 */
import { isRead, isRepeatable } from "./command.ts";

export interface WrittenCommand {
  readonly name: string;
  readonly inTransaction: boolean;
}

export type LossVerdict = "resend" | "unknown";

/**
 * One verdict for the commands of one batch, which ran side by side: `batch` are all that it
 * contained, answered or not.
 */
export function afterLoss(
  batch: readonly WrittenCommand[],
  mayReplay: (command: WrittenCommand) => boolean,
): LossVerdict {
  if (batch.some(isInTransaction)) return "unknown";
  if (batch.every(({ name }) => isRepeatable(name))) return "resend";
  return batch.every((command) => isRepeatable(command.name) || mayReplay(command))
    ? "resend"
    : "unknown";
}

/** Whether an acknowledgement of `name` forbids to send again what was rejected before it. */
export function overtakes(name: string): boolean {
  return !isRepeatable(name);
}

/** Whether a later acknowledged write forbids to send `name` again. */
export function isOvertaken(name: string): boolean {
  return !isRead(name);
}

export function isInTransaction({ name, inTransaction }: WrittenCommand): boolean {
  return inTransaction || ["multi", "exec", "discard", "watch"].includes(name.toLowerCase());
}
