/** `leasehold pause` and `resume`: whether the lead may change without being asked for. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import type { PauseWish } from "@leasehold/kubernetes";
import { CommandError } from "../exit.ts";
import { parseSpan } from "../flags.ts";
import { needed } from "../group/connect.ts";
import { groupCommand, snapshotOf, type GroupContext } from "../group-command.ts";
import { API_VERSION, statusOf, valueOf } from "../group/status.ts";
import { print } from "../output/render.ts";
import type { Session } from "../session.ts";

interface Flags {
  readonly reason?: string;
  /** Milliseconds. */
  readonly for?: number;
}

const LOOK_AGAIN_MS = 100;

export function pauseCommand(session: Session): Command {
  const command = new Command("pause")
    .option("--for <time>", "it ends by itself, such as 1h; default: until `resume`", parseSpan)
    .option("--reason <words>", "shown by `status`");
  return groupCommand<Flags>(session, command, (context) => {
    const { reason = null, for: forMs } = context.flags;
    const span = forMs === undefined ? null : { id: randomUUID(), forMs };
    return change(context, { reason, span });
  });
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
  const head = { apiVersion: API_VERSION, kind: "Pause" };
  const state = paused ? "paused" : "resumed";
  const reason = wish?.reason ?? null;
  const forMs = wish?.span?.forMs ?? null;
  const words = confirmed
    ? `${holder} knows it`
    : holder === null
      ? "nobody leads, the members read it themselves"
      : `written, but ${holder} did not take note yet`;
  print(session, flags, {
    data: { ...head, group, namespace, paused, reason, forMs, confirmed },
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
    // A pause may be over before the next renewal: then the leader took the wish away.
    const control = await reader.control(group);
    if (paused && control.kind === "read" && !control.value.wishes.paused) return true;
    await delay(LOOK_AGAIN_MS, undefined, { signal: session.signal }).catch(() => undefined);
  }
  return false;
}
