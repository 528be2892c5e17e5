/** `leasehold switchover`: moves the lead on purpose, without losing a write. */
import { randomUUID } from "node:crypto";
import { Command, Option } from "commander";
import { CommandError } from "../exit.ts";
import { needed } from "../group/connect.ts";
import { groupCommand, snapshotOf, type GroupContext } from "../group-command.ts";
import { statusOf, viewOf, type GroupStatus } from "../group/status.ts";
import type { Snapshot } from "../group/snapshot.ts";
import { finish, report, resultOf } from "../request/change.ts";
import { busyWords, lateAnswer, perform } from "../request/perform.ts";
import type { Session } from "../session.ts";

interface Flags {
  readonly to?: string;
  readonly dryRun: boolean;
  readonly cancel: boolean;
}

export function switchoverCommand(session: Session): Command {
  const command = new Command("switchover")
    .option("--to <member>", "default: the member that fits best")
    .addOption(
      new Option("--dry-run", "only say whether it would be done")
        .default(false)
        .conflicts("cancel"),
    )
    .addOption(
      new Option("--cancel", "withdraw the request that is pending").default(false).conflicts("to"),
    );
  return groupCommand<Flags>(session, command, async (context) => {
    if (context.flags.cancel) return cancel(context);
    const snapshot = await snapshotOf(context);
    const status = statusOf(snapshot);
    const { to = null } = context.flags;
    requireMember(status, to);
    const asked = { request: null, before: status.leader };
    if (to !== null && to === status.leader) {
      const words = `${to} leads already`;
      return report(context, {
        ...resultOf(context, asked, { outcome: "done", words }),
        after: to,
      });
    }
    const why = whyNot(snapshot, status, to);
    if (context.flags.dryRun) return dryRun(context, { snapshot, status, why });
    if (why !== null) {
      return report(context, resultOf(context, asked, { outcome: "refused", words: why }));
    }
    const request = { id: randomUUID(), kind: "switchover", to, force: false } as const;
    const outcome = await perform(context, request);
    await finish(context, { request, before: status.leader, epoch: status.epoch }, outcome);
  });
}

export function requireMember({ members, group }: GroupStatus, name: string | null): void {
  if (name === null || members.length === 0) return;
  const names = members.filter(({ state }) => state !== "missing").map((member) => member.name);
  if (names.includes(name)) return;
  throw new CommandError(
    "usage",
    `${group} has no member ${name}: name one of ${names.join(", ")}`,
  );
}

/** Why the leader would refuse; null: no reason is seen. The leader decides, not we. */
function whyNot(snapshot: Snapshot, status: GroupStatus, to: string | null): string | null {
  if (status.holder === null && status.leader === null) {
    return "nobody leads: nobody can hand over (see `status`, and `failover`)";
  }
  if (status.request !== null) return busyWords(status.request);
  const others = status.members.filter(({ name }) => name !== status.leader);
  if (others.length === 0) return "there is no other member";
  if (to !== null) return unable(snapshot, to);
  const reasons = others.map(({ name }) => unable(snapshot, name));
  return reasons.every((reason) => reason !== null) ? reasons.join("; ") : null;
}

function unable(snapshot: Snapshot, name: string): string | null {
  const report = viewOf(snapshot, name)?.report;
  // Who cannot be asked from here may still answer the leader.
  if (report === undefined) return null;
  if (report.ineligible !== null) return `${name} may not lead: ${report.ineligible}`;
  if (report.terminating) return `${name} is terminating`;
  return report.inSync ? null : `${name} is not in sync`;
}

interface DryRun {
  readonly snapshot: Snapshot;
  readonly status: GroupStatus;
  readonly why: string | null;
}

function dryRun(context: GroupContext<Flags>, { snapshot, status, why }: DryRun): void {
  const { to = null } = context.flags;
  for (const reading of snapshot.members.values()) {
    // Without the members' word a dry run would be a guess.
    if (reading.kind === "forbidden") needed(reading, context.namespace);
  }
  const asked = { request: null, before: status.leader };
  if (why !== null) {
    return report(context, resultOf(context, asked, { outcome: "impossible", words: why }));
  }
  const able = status.members
    .map(({ name }) => name)
    .filter((name) => name !== status.leader && unable(snapshot, name) === null);
  const words = `would hand over to ${to ?? able.join(" or ")}`;
  report(context, resultOf(context, asked, { outcome: "possible", words }));
}

async function cancel(context: GroupContext<Flags>): Promise<void> {
  const { group, namespace } = context;
  const withdrawn = needed(await context.requestsOf(group).withdraw(), namespace);
  if (withdrawn === null) {
    throw new CommandError("refused", `${group}: no request is pending`);
  }
  const answer = await lateAnswer(context, withdrawn.id);
  const asked = { request: withdrawn, before: null };
  if (answer?.done) {
    const words = `too late, it was done: ${answer.words}`;
    return report(context, resultOf(context, asked, { outcome: "undone", words }));
  }
  const words = answer === null ? "in time" : answer.words;
  report(context, resultOf(context, asked, { outcome: "withdrawn", words }), "done");
}
