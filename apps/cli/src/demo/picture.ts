/** The block at the bottom of the terminal: the members and the load, as they are now. */
import { formatMs } from "@leasehold/testkit/result";
import type { WorkloadState } from "@leasehold/testkit/workload";
import type { BlockLine } from "../terminal/screen.ts";
import type { MemberView, NamedView } from "./member-view.ts";

export interface Picture {
  /** "3 of 11: SIGKILL of the primary's Redis". */
  readonly act: string;
  readonly members: readonly NamedView[];
  /** The member that the write address points to. */
  readonly addressed: string | null;
  /** Null: no load now. */
  readonly load: WorkloadState | null;
  readonly writesPerSecond: number;
}

const COLUMNS = [12, 9, 7, 14, 10] as const;

export function drawPicture(picture: Picture): BlockLine[] {
  const leader = picture.members.find(({ view }) => view?.promoted)?.view ?? null;
  return [
    { text: "" },
    { text: picture.act, style: "bold" },
    { text: describeLoad(picture) },
    { text: row("member", "role", "epoch", "offset", "lag", "state"), style: "dim" },
    ...picture.members.map(({ name, view }) => {
      const marked = name === picture.addressed ? `${name} <-` : name;
      return view === null
        ? { text: row(marked, "?", "", "", "", "does not answer"), style: "red" as const }
        : describeMember(marked, view, leader);
    }),
  ];
}

function describeLoad({ load, writesPerSecond }: Picture): string {
  if (load === null) return "no load";
  const open = load.sinceLastAckMs > 100 ? `, no write for ${formatMs(load.sinceLastAckMs)}` : "";
  return (
    `${Math.round(writesPerSecond)} writes/s, ${load.failed} errors, ` +
    `longest gap ${formatMs(load.gap.lengthMs)}${open}`
  );
}

function describeMember(name: string, view: MemberView, leader: MemberView | null): BlockLine {
  const known = leader !== null && leader.replid === view.replid;
  const lag = known ? String(Math.max(0, leader.offset - view.offset)) : "";
  const cells = [String(view.epoch), String(view.offset), view.promoted ? "" : lag] as const;
  if (view.promoted) return { text: row(name, "primary", ...cells, "leads"), style: "green" };
  if (view.inSync) return { text: row(name, "replica", ...cells, "in sync") };
  const why = view.ineligible ?? "not in sync";
  return { text: row(name, view.redis === "up" ? "replica" : view.redis, ...cells, why) };
}

function row(...cells: readonly string[]): string {
  return cells.map((cell, i) => `${cell.padEnd(COLUMNS[i] ?? 0)} `).join("");
}
