/**
 * What a reader sees of a run, and its fingerprint. Two runs of one seed have equal fingerprints,
 * or something in them depends on more than the seed.
 */
import type { Action, MemberEvent } from "@leasehold/replication";

export interface Line {
  readonly atMs: number;
  readonly who: string;
  readonly words: string;
}

/** Kept of a run that nobody watches. */
const TAIL_MAX = 400;

export class Timeline {
  readonly lines: Line[] = [];
  private readonly keepAll: boolean;
  /** Also every decision with its event and actions, from then on. */
  private readonly traceFromMs: number;
  private hashA = 0x811c9dc5;
  private hashB = 0x01000193;

  constructor(watch: { readonly keepAll: boolean; readonly traceFromMs: number }) {
    this.keepAll = watch.keepAll;
    this.traceFromMs = watch.traceFromMs;
  }

  add(atMs: number, who: string, words: string): void {
    this.stir(atMs);
    this.stirText(who);
    this.stirText(words);
    this.lines.push({ atMs, who, words });
    if (!this.keepAll && this.lines.length > TAIL_MAX * 2) this.lines.splice(0, TAIL_MAX);
  }

  trace(
    atMs: number,
    who: string,
    turn: { readonly event: MemberEvent; readonly actions: readonly Action[] },
  ): void {
    this.stir(atMs);
    this.stir(turn.actions.length);
    if (atMs < this.traceFromMs) return;
    if (turn.actions.length === 0 && turn.event.type === "tick") return;
    const actions = turn.actions.map((action) => summary(action)).join("; ");
    this.lines.push({ atMs, who, words: `  ${eventWords(turn.event)} -> ${actions}` });
  }

  get fingerprint(): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
    return hex(this.hashA) + hex(this.hashB);
  }

  private stir(value: number): void {
    this.hashA = Math.imul(this.hashA ^ Math.floor(value * 1_000), 0x01000193);
    this.hashB = Math.imul(this.hashB + (this.hashA >>> 7), 0x85ebca6b);
  }

  private stirText(text: string): void {
    for (let i = 0; i < text.length; i += 1) {
      this.hashA = Math.imul(this.hashA ^ text.charCodeAt(i), 0x01000193);
    }
    this.hashB = Math.imul(this.hashB + (this.hashA >>> 7), 0x85ebca6b);
  }
}

export function lineText({ atMs, who, words }: Line): string {
  return `${(atMs / 1_000).toFixed(4).padStart(10)}  ${who.padEnd(8)} ${words}`;
}

const SUMMARY_MAX = 400;

function summary(action: Action): string {
  const { type, reason, ...rest } = action;
  return `${type}[${reason}] ${compact(rest)}`;
}

function eventWords(event: MemberEvent): string {
  const { type, at: _at, jitter: _jitter, ...rest } = event;
  return `${type} ${compact(rest)}`;
}

function compact(value: object): string {
  const text = JSON.stringify(value).replaceAll('"', "");
  return text.length > SUMMARY_MAX ? `${text.slice(0, SUMMARY_MAX)}…` : text;
}
