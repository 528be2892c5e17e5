/** `leasehold pause` and `resume`: whether the lead may change without being asked for. */
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import type { PauseWish } from "@leasehold/kubernetes";
import { CommandError } from "../exit.ts";
import { needed } from "../group/connect.ts";
import { groupCommand, snapshotOf, type GroupContext } from "../group-command.ts";
import { API_VERSION, statusOf, valueOf } from "../group/status.ts";
import { print } from "../output/render.ts";
import type { Session } from "../session.ts";

interface Flags {
  readonly reason?: string;
}

const LOOK_AGAIN_MS = 100;

export function pauseCommand(session: Session): Command {
  const command = new Command("pause").option("--reason <words>", "shown by `status`");
  return groupCommand<Flags>(session, command, (context) =>
    change(context, { reason: context.flags.reason ?? null }),
  );
}

export function resumeCommand(session: Session): Command {
  return groupCommand<Flags>(session, new Command("resume"), (context) => change(context, null));
}

async function change(context: GroupContext<Flags>, wish: PauseWish | null): Promise<void> {
  const { group, namespace, session, flags } = context;
  const { holder } = statusOf(await snapshotOf(context));
  needed(await context.requestsOf(group).pause(wish), namespace);
  const paused = wish !== null;
  const confirmed = holder !== null && (await isConfirmed(context, paused));
  const state = paused ? "paused" : "resumed";
  const reason = wish?.reason ?? null;
  const words = confirmed
    ? `${holder} knows it`
    : holder === null
      ? "nobody leads, the members read it themselves"
      : `written, but ${holder} did not take note yet`;
  print(session, flags, {
    data: { apiVersion: API_VERSION, kind: "Pause", group, namespace, paused, reason, confirmed },
    lines: () => [`${group}: ${state}, ${words}`],
    name: group,
  });
  if (session.signal.aborted) throw new CommandError("interrupted", "");
  if (!confirmed && holder !== null) throw new CommandError("unknown", "");
}

/** The leader copies the wish into the Lease with its next renewal. */
async function isConfirmed(context: GroupContext<Flags>, paused: boolean): Promise<boolean> {
  const { reader, group, session, flags } = context;
  const deadline = performance.now() + flags.timeout;
  while (performance.now() < deadline && !session.signal.aborted) {
    const lease = valueOf(await reader.lease(group));
    if (lease?.record.paused === paused) return true;
    await delay(LOOK_AGAIN_MS, undefined, { signal: session.signal }).catch(() => undefined);
  }
  return false;
}
