/** `leasehold history`: the last changes of leader, with their reasons. */
import { Command } from "commander";
import type { HistoryEntry } from "@leasehold/kubernetes";
import { CommandError } from "../exit.ts";
import { integerBetween } from "../flags.ts";
import { needed } from "../group/connect.ts";
import { groupCommand, type GroupContext } from "../group-command.ts";
import { API_VERSION } from "../group/status.ts";
import { print } from "../output/render.ts";
import { formatMs } from "../output/span.ts";
import type { Session } from "../session.ts";
import { alignColumns } from "../terminal/columns.ts";

interface Flags {
  readonly limit: number;
}

const HEAD = ["TIME", "EPOCH", "KIND", "FROM", "TO", "GAP", "LOST<=", "REASON", "BY"];

export function historyCommand(session: Session): Command {
  const command = new Command("history").option(
    "-l, --limit <n>",
    "the newest n",
    integerBetween(1, 100),
    20,
  );
  return groupCommand<Flags>(session, command, async (context) => {
    const { group, namespace, flags, reader } = context;
    const history = await reader.history(group);
    if (history.kind === "missing") await requireGroup(context);
    const all = needed(history, namespace) ?? [];
    const entries = all.slice(-flags.limit);
    print(session, flags, {
      data: { apiVersion: API_VERSION, kind: "History", group, namespace, entries },
      lines: (isWide) => linesOf(entries, isWide),
      name: entries.at(-1)?.to ?? null,
    });
  });
}

/** Who may not list the groups is told what is known of this one: nothing. */
async function requireGroup({ group, namespace, reader }: GroupContext<Flags>): Promise<void> {
  const leases = await reader.leases();
  if (leases.kind !== "read" || leases.value.some(({ name }) => name === group)) return;
  throw new CommandError("usage", `no group ${group} in namespace ${namespace}`);
}

function linesOf(entries: readonly HistoryEntry[], isWide: boolean): readonly string[] {
  if (entries.length === 0) return ["no change of leader is recorded"];
  const rows = entries.map((entry) => [
    entry.time.replace(/\.\d+Z$/, "Z"),
    String(entry.epoch),
    entry.kind,
    entry.from ?? "-",
    entry.to ?? "-",
    formatMs(entry.writeGapMs),
    entry.lostBytesMax === null ? "-" : String(entry.lostBytesMax),
    entry.reason,
    entry.by,
    ...(isWide ? [entry.words] : []),
  ]);
  return alignColumns([isWide ? [...HEAD, "WORDS"] : HEAD, ...rows]);
}
