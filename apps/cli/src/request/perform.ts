/**
 * Puts a request into the control ConfigMap and waits for what becomes of it.
 *
 * Guarantees: when this returns, the request is answered or withdrawn, unless the API has gone
 * away; so nothing happens hours later that nobody expects any more. A hand-over that has begun is
 * not interrupted: whoever withdraws a request too late is told how it ended.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ControlAnswer } from "@leasehold/kubernetes";
import type { ControlRequest } from "@leasehold/replication";
import { CommandError } from "../exit.ts";
import { needed } from "../group/connect.ts";
import type { GroupContext } from "../group-command.ts";

export type Outcome =
  | { readonly kind: "answered"; readonly answer: ControlAnswer }
  /** Nobody answered, and the request is gone. */
  | { readonly kind: "withdrawn"; readonly why: "interrupted" | "timeout" };

type Context = Pick<
  GroupContext<object>,
  "reader" | "namespace" | "group" | "requestsOf" | "flags" | "session"
>;

const LOOK_AGAIN_MS = 50;
/** A hand-over that had begun has ended and is answered by then. */
export const SETTLE_MS = 3_000;

export async function perform(context: Context, request: ControlRequest): Promise<Outcome> {
  const { namespace, group, flags, session } = context;
  const deadline = performance.now() + flags.timeout;
  const requests = context.requestsOf(group);
  const reading = await requests.send(request);
  if (reading.kind === "failed") {
    // It may have arrived all the same.
    const withdrawn = await requests.withdraw(request.id);
    if (withdrawn.kind !== "read") throw mayBeThere(request.id, reading.words);
  }
  const sent = needed(reading, namespace);
  if (sent?.kind === "busy") throw new CommandError("refused", busyWords(sent.request));
  const answer = await answerTo(context, request.id, deadline);
  if (answer !== null) return { kind: "answered", answer };
  const why = session.signal.aborted ? "interrupted" : "timeout";
  const withdrawn = await requests.withdraw(request.id);
  if (withdrawn.kind === "forbidden" || withdrawn.kind === "failed") {
    throw new CommandError(
      session.signal.aborted ? "interrupted" : "unknown",
      `request ${request.id} could not be withdrawn: take it away with \`switchover --cancel\``,
    );
  }
  const late = await lateAnswer(context, request.id);
  const wasInTime = late === null || late.refused;
  return wasInTime ? { kind: "withdrawn", why } : { kind: "answered", answer: late };
}

function mayBeThere(id: string, words: string): CommandError {
  return new CommandError(
    "unknown",
    `request ${id} may have arrived: look at \`status\`, and take it away with ` +
      `\`switchover --cancel\` (${words})`,
  );
}

export function busyWords({ id, kind, to }: ControlRequest): string {
  return (
    `request ${id} (${kind} to ${to ?? "any member"}) is not answered yet: ` +
    `wait, or withdraw it with \`switchover --cancel\``
  );
}

/** Null: not in time, or interrupted. */
async function answerTo(
  { reader, group, session }: Context,
  id: string,
  deadline: number,
): Promise<ControlAnswer | null> {
  while (!session.signal.aborted && performance.now() < deadline) {
    const control = await reader.control(group);
    const answer = control.kind === "read" ? control.value.answer : null;
    if (answer?.id === id) return answer;
    await delay(LOOK_AGAIN_MS, undefined, { signal: session.signal }).catch(() => undefined);
  }
  return null;
}

/** The answer to a request that was withdrawn. Null: it was withdrawn in time. */
export async function lateAnswer(
  { reader, group }: Pick<Context, "reader" | "group">,
  id: string,
): Promise<ControlAnswer | null> {
  const deadline = performance.now() + SETTLE_MS;
  while (performance.now() < deadline) {
    const control = await reader.control(group);
    const answer = control.kind === "read" ? control.value.answer : null;
    if (answer?.id === id) return answer;
    await delay(LOOK_AGAIN_MS);
  }
  return null;
}
