/** `leasehold status` for people: who leads, one line per member, and what is wrong. */
import type { GroupStatus, MemberRow } from "../group/status.ts";
import { alignColumns } from "../terminal/columns.ts";
import { formatAge, formatSpan } from "./span.ts";

const HEAD = "MEMBER ROLE STATE OFFSET LAG LINK PRIORITY RESTARTS AGE".split(" ");
const WIDE_HEAD = "NODE IP VERSION SIDECAR".split(" ");

export interface TableOptions {
  readonly isWide: boolean;
  /** Only for ages. */
  readonly now: Date;
}

export function statusLines(status: GroupStatus, options: TableOptions): readonly string[] {
  const head = options.isWide ? [...HEAD, ...WIDE_HEAD] : HEAD;
  const rows = status.members.map((member) => cellsOf(member, status, options));
  return [
    headline(status),
    ...factsOf(status, options.now),
    "",
    ...alignColumns([head, ...rows]),
    ...block("", troubleLines(status)),
    ...block("", status.unseen),
  ];
}

function headline({ group, namespace, leader, endpoint, epoch, holder }: GroupStatus): string {
  const where = `${group} in ${namespace}`;
  if (leader === null) {
    const held = holder === null ? "" : `, the Lease names ${holder}`;
    return `${where}: nobody leads${held}, epoch ${epoch}`;
  }
  const at = endpoint === null ? "" : ` at ${endpoint.host}:${endpoint.port}`;
  return `${where}: ${leader} leads${at} under epoch ${epoch}`;
}

function factsOf(status: GroupStatus, now: Date): readonly string[] {
  const { writeService, readService, size, leaseRenewedAt, leaseDurationSeconds } = status;
  const renewed = leaseRenewedAt === null ? null : formatAge(leaseRenewedAt, now);
  const facts = [
    `write ${writeService}`,
    `read ${readService}`,
    size === null ? "" : `${size} members`,
    renewed === null ? "" : `Lease renewed ${renewed} ago, for ${leaseDurationSeconds} s`,
  ];
  const { pauseForMs } = status;
  const span = pauseForMs === null ? "" : ` for ${formatSpan(pauseForMs)}`;
  const why = status.pauseReason === null ? "" : ` (${status.pauseReason})`;
  return [
    facts.filter(Boolean).join(", "),
    ...(status.paused ? [`paused${span}: no automatic change of leader${why}`] : []),
    ...(status.failsafe ? ["failsafe: leads without the Kubernetes API"] : []),
  ];
}

function cellsOf(member: MemberRow, status: GroupStatus, options: TableOptions): string[] {
  const { version, node, ip, sidecarImage } = member;
  const usual = [
    member.name,
    member.role,
    stateOf(member),
    textOf(member.offset),
    textOf(member.lagBytes),
    linkOf(member, status),
    textOf(member.priority),
    textOf(member.restarts),
    member.createdAt === null ? "-" : formatAge(member.createdAt, options.now),
  ];
  return options.isWide ? [...usual, ...[node, ip, version, sidecarImage].map(textOf)] : usual;
}

function stateOf({ state, inSync, terminating }: MemberRow): string {
  if (terminating) return "terminating";
  return state === "up" && inSync !== null ? (inSync ? "in sync" : "not in sync") : state;
}

function linkOf({ role, inSync, follows }: MemberRow, { leader }: GroupStatus): string {
  // Who could not be asked may follow anybody.
  if (role === "primary" || role === "unknown" || inSync === null) return "-";
  if (follows === null) return "down";
  return follows === leader ? "up" : `to ${follows}`;
}

function troubleLines({ troubles, members, leader, request }: GroupStatus): readonly string[] {
  const unable = members.filter(({ name, ineligible }) => name !== leader && ineligible !== null);
  const pending = request === null ? [] : [`request ${request.id} waits: ${wishOf(request)}`];
  return [
    ...troubles.map((words) => `! ${words}`),
    ...unable.map(({ name, ineligible }) => `${name} may not lead: ${ineligible}`),
    ...pending,
  ];
}

function wishOf({ kind, to, force }: NonNullable<GroupStatus["request"]>): string {
  return `${force ? "forced " : ""}${kind} to ${to ?? "any member"}`;
}

function block(before: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [before, ...lines];
}

function textOf(value: string | number | null): string {
  return value === null ? "-" : String(value);
}
