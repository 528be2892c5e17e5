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
  /** All commands are sent, whatever the first ones' replies. */
  run(commands: readonly Command[], deadlineMs: number): Promise<AdminOutcome>;
}

export type AdminOutcome =
  | { readonly ok: true }
  /** `refused`: Redis has understood it and said no; otherwise it may take it later. */
  | { readonly ok: false; readonly refused: boolean; readonly message: string };

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
      if (opened.kind !== "open") return notNow(opened.message);
      const { connection } = opened;
      const answer = await within(endAtMs - performance.now(), connection.ask(commands));
      connection.close();
      if (answer === LATE) return notNow(`no answer within ${deadlineMs} ms`);
      if (answer.closed) return notNow(answer.message);
      const bad = answer.replies.find((reply) => !reply.ok);
      if (!bad) return { ok: true };
      return { ok: false, refused: bad.refusal === "refused", message: bad.message };
    },
  };
}

function notNow(message: string): AdminOutcome {
  return { ok: false, refused: false, message };
}
