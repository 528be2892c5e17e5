/**
 * `leasehold cutover`: the end of a migration. The source outside the group takes no write any
 * more, and the member that followed it leads with all that it had.
 */
import { randomUUID } from "node:crypto";
import { Command } from "commander";
import { groupCommand, snapshotOf } from "../group-command.ts";
import { statusOf, viewOf, type GroupStatus } from "../group/status.ts";
import type { Snapshot } from "../group/snapshot.ts";
import { finish, report, resultOf } from "../request/change.ts";
import { busyWords, perform } from "../request/perform.ts";
import type { Session } from "../session.ts";

interface Flags {
  readonly writersStopped: boolean;
  readonly alone: boolean;
}

export function cutoverCommand(session: Session): Command {
  const command = new Command("cutover")
    .option("--writers-stopped", "nobody writes to the source any more: do not close it", false)
    .option("--alone", "also if no other member has all of it: its loss would lose it", false);
  return groupCommand<Flags>(session, command, async (context) => {
    const snapshot = await snapshotOf(context);
    const status = statusOf(snapshot);
    const asked = { request: null, before: status.leader };
    const leads = whoLeads(snapshot, status);
    if (leads !== null) {
      // Not "refused", after which the source takes writes again.
      const words = `${leads} leads already: leave the source closed`;
      return report(context, resultOf(context, asked, { outcome: "undone", words }));
    }
    const words = whyNot(status);
    if (words !== null) {
      return report(context, resultOf(context, asked, { outcome: "refused", words }));
    }
    const { writersStopped: force, alone } = context.flags;
    const request = { id: randomUUID(), kind: "cutover", to: null, force, alone } as const;
    const outcome = await perform(context, request);
    // Who follows a source leads under the epoch that it has already.
    await finish(context, { ...asked, request, epoch: status.epoch - 1 }, outcome);
  });
}

function whoLeads(snapshot: Snapshot, { leader }: GroupStatus): string | null {
  return leader !== null && viewOf(snapshot, leader)?.status.writable ? leader : null;
}

/** The holder decides; only what it could not answer is said here. */
function whyNot({ holder, request }: GroupStatus): string | null {
  if (request !== null) return busyWords(request);
  return holder === null
    ? "nobody holds the Lease, so nobody follows a source (see `status`)"
    : null;
}
