/** Hand-overs in words, with what the writers on each node made of them. */
import { formatMs } from "@leasehold/testkit/result";
import { PARTS, type HandOver } from "./hand-over.ts";
import type { NodeState } from "./fleet.ts";

/** More are shown by their medians. */
const MOST_SHOWN = 5;

export function handOverLines(
  handOvers: readonly HandOver[],
  states: readonly NodeState[],
): readonly string[] {
  const shown = handOvers.map((one) => ({ ...one, byNode: byNode(one, states) }));
  if (shown.length === 0) return ["no hand-over was seen in the sidecars' logs"];
  if (shown.length <= MOST_SHOWN) return shown.map((one) => lineOf(`${one.from} → ${one.to}`, one));
  const nodes = states.map(({ node }) => node);
  const middle = {
    partsMs: medians(PARTS, (part) => shown.map(({ partsMs }) => partsMs[part])),
    byNode: medians(nodes, (node) => shown.flatMap((one) => one.byNode[node] ?? [])),
  };
  const gaps = shown.map((one) => gapOf(one, states)).toSorted((a, b) => a - b);
  return [
    `${shown.length} hand-overs: write gap ${formatMs(median(gaps))} at the median, ` +
      gaps.map((gapMs) => Math.round(gapMs)).join(" "),
    lineOf(`median of ${shown.length}`, middle),
  ];
}

interface Shown extends Pick<HandOver, "partsMs"> {
  /** From the slice PUT to the first write through that node. */
  readonly byNode: Readonly<Record<string, number>>;
}

function lineOf(title: string, { partsMs, byNode }: Shown): string {
  const parts = PARTS.map((part) => `${part} ${Math.round(partsMs[part])}`).join(", ");
  const sum = Object.values(partsMs).reduce((total, partMs) => total + partMs, 0);
  const nodes = Object.entries(byNode).map(([node, ms]) => `${node} ${Math.round(ms)}`);
  const reached = nodes.length === 0 ? "not seen" : `${nodes.join(", ")} ms`;
  return `${title}: ${parts} = ${Math.round(sum)} ms; slice PUT to the first write: ${reached}`;
}

/** Of each node whose writers stood still then. */
function byNode(
  { addressedAtMs }: HandOver,
  states: readonly NodeState[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    states.flatMap(({ node, state }) => {
      const gap = gapAt(state, addressedAtMs);
      return gap === null ? [] : [[node, gap.untilMs - addressedAtMs]];
    }),
  );
}

function gapOf({ addressedAtMs }: HandOver, states: readonly NodeState[]): number {
  return Math.max(0, ...states.map(({ state }) => gapAt(state, addressedAtMs)?.lengthMs ?? 0));
}

/** The one in which that instant was. */
function gapAt(
  { gaps, originMs }: NodeState["state"],
  atMs: number,
): { readonly lengthMs: number; readonly untilMs: number } | null {
  const found = gaps
    .map(({ fromMs, lengthMs }) => ({ lengthMs, untilMs: originMs + fromMs + lengthMs }))
    .find(({ lengthMs, untilMs }) => untilMs - lengthMs <= atMs && atMs < untilMs);
  return found ?? null;
}

function medians<K extends string>(
  keys: readonly K[],
  valuesOf: (key: K) => readonly number[],
): Readonly<Record<K, number>> {
  const entries = keys.map((key) => [key, median(valuesOf(key).toSorted((a, b) => a - b))]);
  return Object.fromEntries(entries) as Record<K, number>;
}

function median(sorted: readonly number[]): number {
  return sorted[sorted.length >> 1] ?? 0;
}
