/**
 * How many members accepted writes at one instant, as far as writes sent to each of them prove it.
 *
 * A probe was accepted at some instant between its sending and its answer. A member counts as
 * writable between two accepted probes with no refusal between them. Two members were writable at
 * once if one accepted a probe wholly inside such a span of the other. Guarantees: no false alarm.
 * An overlap shorter than the pace of the probes may stay unseen.
 */

export interface Probe {
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  readonly accepted: boolean;
}

export interface WritableFinding {
  /** Most members writable at one instant. */
  readonly members: readonly string[];
  readonly atMs: number;
}

interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

/** A slower answer may have been held by `CLIENT PAUSE`: the span ends there. */
const SLOW_ANSWER_MS = 50;

/** `probes` of each member in the order of their sending. */
export function mostWritableAtOnce(
  probes: ReadonlyMap<string, readonly Probe[]>,
): WritableFinding | null {
  const spans = new Map([...probes].map(([member, list]) => [member, writableSpans(list)]));
  let most: WritableFinding | null = null;
  for (const [member, list] of probes) {
    const others = [...spans].filter(([name]) => name !== member);
    for (const probe of list) {
      if (!probe.accepted) continue;
      const members = [member, ...others.filter(([, s]) => covers(s, probe)).map(([name]) => name)];
      if (members.length > (most?.members.length ?? 0)) most = { members, atMs: probe.sentAtMs };
    }
  }
  return most;
}

function writableSpans(probes: readonly Probe[]): Span[] {
  const spans: Span[] = [];
  let run: Span | null = null;
  for (const probe of probes) {
    const continues = run !== null && probe.accepted && durationMs(probe) <= SLOW_ANSWER_MS;
    if (continues && run !== null) {
      run = { fromMs: run.fromMs, untilMs: probe.sentAtMs };
      continue;
    }
    if (run !== null) spans.push(run);
    run = probe.accepted ? { fromMs: probe.answeredAtMs, untilMs: probe.answeredAtMs } : null;
  }
  if (run !== null) spans.push(run);
  return spans;
}

function durationMs(probe: Probe): number {
  return probe.answeredAtMs - probe.sentAtMs;
}

function covers(spans: readonly Span[], probe: Probe): boolean {
  return spans.some((s) => s.fromMs <= probe.sentAtMs && probe.answeredAtMs <= s.untilMs);
}
