/** `leasehold status`: who leads, how the others follow, and what is wrong. */
import { setTimeout as delay } from "node:timers/promises";
import { Command } from "commander";
import { CommandError } from "../exit.ts";
import { groupCommand, snapshotOf, type GroupContext } from "../group-command.ts";
import { takeSnapshot } from "../group/snapshot.ts";
import { statusOf, type GroupStatus } from "../group/status.ts";
import { print, render, type Views } from "../output/render.ts";
import { statusLines } from "../output/status-table.ts";
import type { Session } from "../session.ts";
import { createScreen, type Screen } from "../terminal/screen.ts";

interface Flags {
  readonly check: boolean;
  readonly watch: boolean;
}

const LOOK_AGAIN_MS = 1_000;

export function statusCommand(session: Session): Command {
  const command = new Command("status")
    .option("--check", "end with 5 if the group is not healthy", false)
    .option("-w, --watch", "show it again and again, until Ctrl-C", false);
  return groupCommand<Flags>(session, command, async (context) => {
    const first = statusOf(await snapshotOf(context));
    if (context.flags.watch) return watch(context, first);
    print(session, context.flags, viewsOf(first));
    if (context.flags.check && !first.healthy) throw new CommandError("unhealthy", "");
  });
}

function viewsOf(status: GroupStatus): Views {
  const now = new Date();
  return {
    data: status,
    lines: (isWide) => statusLines(status, { isWide, now }),
    name: status.leader,
  };
}

/** On a terminal it is drawn in place; else each change is a new table, or one line of JSON. */
async function watch(context: GroupContext<Flags>, first: GroupStatus): Promise<void> {
  const { session, group } = context;
  const { stdout } = session;
  const isDrawn = isTable(context);
  const screen = createScreen(isDrawn ? stdout : { write: (text) => stdout.write(text) });
  const show = shower(context, screen);
  try {
    show(first);
    while (await waits(session.signal)) show(statusOf(await takeSnapshot(context, group)));
  } finally {
    screen.close();
  }
  throw new CommandError("interrupted", "");
}

function isTable({ flags }: GroupContext<Flags>): boolean {
  return flags.output === "table" || flags.output === "wide";
}

function shower(context: GroupContext<Flags>, screen: Screen) {
  const { session, flags } = context;
  let shown = "";
  return (status: GroupStatus): void => {
    const views = viewsOf(status);
    if (screen.live) {
      return screen.draw(views.lines(flags.output === "wide").map((text) => ({ text })));
    }
    const text = isTable(context) ? render(flags.output, views) : oneLine(flags, status);
    if (text !== shown) session.stdout.write(text);
    shown = text;
  };
}

/** False: it was interrupted. */
async function waits(signal: AbortSignal): Promise<boolean> {
  await delay(LOOK_AGAIN_MS, undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}

function oneLine(flags: GroupContext<Flags>["flags"], status: GroupStatus): string {
  if (flags.output === "json") return `${JSON.stringify(status)}\n`;
  return `${flags.output === "yaml" ? "---\n" : ""}${render(flags.output, viewsOf(status))}`;
}
