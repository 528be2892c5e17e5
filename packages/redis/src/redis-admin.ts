/**
 * Commands that change neither role nor data: users, passwords, live configuration.
 *
 * Guarantees: each call has a connection of its own that ends with it, so that neither the probes
 * nor the role connection ever wait for one; ends within its deadline; sends nothing twice; never
 * rejects. What was sent may have been executed although the call failed.
 */
import { openConnection, type Command } from "./connection.ts";
import { LATE, within } from "./deadline.ts";
import type { RedisServerOptions } from "./options.ts";

export interface RedisAdmin {
  /** All commands are sent, whatever the first ones' replies. None: is Redis there? */
  run(commands: readonly Command[], deadlineMs: number): Promise<AdminOutcome>;
}

export type AdminOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly why: NotDone; readonly message: string };

export type NotDone =
  /** Redis has understood it and said no. */
  | "refused"
  /** No process listens. */
  | "absent"
  /** Everything else: it may take it later. */
  | "notNow";

export const ADMIN_NAME = "leasehold-admin";

export function createRedisAdmin(options: RedisServerOptions): RedisAdmin {
  return {
    async run(commands, deadlineMs) {
      const endAtMs = performance.now() + deadlineMs;
      const opened = await openConnection(options, {
        name: ADMIN_NAME,
        deadlineMs,
        onClosed: () => {},
      });
      if (opened.kind === "nobody") return { ok: false, why: "absent", message: opened.message };
      if (opened.kind !== "open") return notNow(opened.message);
      const { connection } = opened;
      const answer = await within(endAtMs - performance.now(), connection.ask(commands));
      connection.close();
      if (answer === LATE) return notNow(`no answer within ${deadlineMs} ms`);
      if (answer.closed) return notNow(answer.message);
      const bad = answer.replies.find((reply) => !reply.ok);
      if (!bad) return { ok: true };
      const why = bad.refusal === "refused" ? "refused" : "notNow";
      return { ok: false, why, message: bad.message };
    },
  };
}

function notNow(message: string): AdminOutcome {
  return { ok: false, why: "notNow", message };
}
