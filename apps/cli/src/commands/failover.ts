/**
 * `leasehold failover`: makes a member lead when automation refuses, at the price that it names.
 *
 * Without `--force` it only says why nobody leads and what would be lost. With a leader it is no
 * failover: `switchover` moves the lead without loss.
 */
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import { CommandError } from "../exit.ts";
import { groupCommand, snapshotOf, type GroupContext } from "../group-command.ts";
import { statusOf, valueOf, viewOf, type GroupStatus } from "../group/status.ts";
import type { Snapshot } from "../group/snapshot.ts";
import { finish, report, resultOf } from "../request/change.ts";
import { busyWords, perform } from "../request/perform.ts";
import type { Session } from "../session.ts";
import { requireMember } from "./switchover.ts";

interface Flags {
  readonly to: string;
  readonly force: boolean;
}

export function failoverCommand(session: Session): Command {
  const command = new Command("failover")
    .requiredOption("--to <member>", "who is to lead")
    .option("--force", "do it, with the loss that is named; asks for the group's name", false);
  return groupCommand<Flags>(session, command, async (context) => {
    const { to, force } = context.flags;
    const snapshot = await snapshotOf(context);
    const status = statusOf(snapshot);
    requireMember(status, to);
    const why = whyNot(snapshot, status, to) ?? (force ? null : needsForce(snapshot, status, to));
    if (why !== null) {
      const asked = { request: null, before: status.leader };
      return report(context, resultOf(context, asked, { outcome: "refused", words: why }));
    }
    await confirm(context, lossOf(snapshot, to));
    const request = { id: randomUUID(), kind: "failover", to, force } as const;
    const outcome = await perform(context, request);
    await finish(context, { request, before: status.leader, epoch: status.epoch }, outcome);
  });
}

/** Only a leader that says so itself stands in the way; the members look at the others anyway. */
function whyNot(snapshot: Snapshot, { leader, request }: GroupStatus, to: string): string | null {
  if (request !== null) return busyWords(request);
  if (leader === null || viewOf(snapshot, leader)?.status.writable !== true) return null;
  if (leader === to) return `${to} leads already`;
  return `${leader} leads: \`switchover --to ${to}\` moves the lead without loss`;
}

function needsForce(snapshot: Snapshot, status: GroupStatus, to: string): string {
  const why = status.troubles.slice(0, 3).join("; ");
  return `${why}. With --force ${to} leads; ${lossOf(snapshot, to)}`;
}

/** What the last leader had and this member lacks, as far as anybody knows. */
export function lossOf(snapshot: Snapshot, to: string): string {
  const last = valueOf(snapshot.lease)?.record.position ?? null;
  const own = viewOf(snapshot, to)?.report.position ?? null;
  const tail = "and whatever the last leader wrote after its last renewal";
  if (last === null || own === null) return `how much is lost is unknown`;
  if (last.replid !== own.replid) {
    return `it has another history than the last leader: how much is lost is unknown`;
  }
  return `lost are ${Math.max(0, last.offset - own.offset)} bytes, ${tail}`;
}

/** Throws unless the group's name is typed; `--yes` stands for it. */
async function confirm(context: GroupContext<Flags>, loss: string): Promise<void> {
  const { flags, session, group } = context;
  session.stderr.write(`${flags.to} is to lead ${group} by force: ${loss}.\n`);
  if (flags.yes) return;
  session.stderr.write(`Type the name of the group to go on: `);
  const lines = createInterface({ input: session.stdin });
  try {
    const typed = await firstLine(lines, session.signal);
    if (typed.trim() === group) return;
  } finally {
    lines.close();
  }
  if (session.signal.aborted) throw new CommandError("interrupted", "nothing was changed");
  throw new CommandError("refused", `that is not ${group}: nothing was changed (or use --yes)`);
}

function firstLine(lines: ReturnType<typeof createInterface>, signal: AbortSignal) {
  return new Promise<string>((resolve) => {
    lines.once("line", resolve);
    lines.once("close", () => resolve(""));
    signal.addEventListener("abort", () => resolve(""), { once: true });
  });
}
