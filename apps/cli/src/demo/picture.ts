/** The block at the bottom of the terminal: the members and the load, as they are now. */
import { formatMs } from "@leasehold/testkit/result";
import type { WorkloadState } from "@leasehold/testkit/workload";
import { alignColumns } from "../terminal/columns.ts";
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

const HEADING = ["member", "role", "epoch", "offset", "lag", "right", "state"];
/** So that columns do not move while numbers grow. */
const LEAST_WIDTHS = [11, 7, 5, 12, 8, 6];

export function drawPicture(picture: Picture): BlockLine[] {
  const leader = picture.members.find(({ view }) => view?.promoted)?.view ?? null;
  const rows = picture.members.map(({ name, view }) => {
    const marked = name === picture.addressed ? `${name} <-` : name;
    return view === null
      ? [marked, "?", "", "", "", "", "does not answer"]
      : [marked, ...describeMember(view, leader)];
  });
  const [heading = "", ...lines] = alignColumns([HEADING, ...rows], LEAST_WIDTHS);
  return [
    { text: "" },
    { text: picture.act, style: "bold" },
    { text: describeLoad(picture) },
    { text: heading, style: "dim" },
    ...lines.map((text, index) => styledBy(text, picture.members[index]?.view ?? null)),
  ];
}

function styledBy(text: string, view: MemberView | null): BlockLine {
  if (view === null) return { text, style: "red" };
  if (view.promoted) return { text, style: "green" };
  return view.inSync ? { text } : { text, style: "yellow" };
}

function describeLoad({ load, writesPerSecond }: Picture): string {
  if (load === null) return "no load";
  const open = load.sinceLastAckMs > 100 ? `, no write for ${formatMs(load.sinceLastAckMs)}` : "";
  return (
    `${Math.round(writesPerSecond)} writes/s, ${load.failed} errors, ` +
    `longest gap ${formatMs(load.gap.lengthMs)}${open}`
  );
}

function describeMember(view: MemberView, leader: MemberView | null): string[] {
  const known = leader !== null && leader.replid === view.replid;
  const lag = known && !view.promoted ? String(Math.max(0, leader.offset - view.offset)) : "";
  const right = view.validMs > 0 ? `${(view.validMs / 1000).toFixed(1)} s` : "";
  return [roleOf(view), String(view.epoch), String(view.offset), lag, right, stateOf(view)];
}

function roleOf(view: MemberView): string {
  if (view.promoted) return "primary";
  return view.redis === "up" ? "replica" : view.redis;
}

function stateOf(view: MemberView): string {
  if (view.promoted) return "leads";
  return view.inSync ? "in sync" : (view.ineligible ?? "not in sync");
}
