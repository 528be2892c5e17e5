/**
 * Which nodes may serve a read, and which of them does. Pure.
 *
 * Guarantees: health comes before everything; a preference for a zone never leaves a read without
 * a node, a demand for one may; what has no known staleness meets no bound. Says which filter left
 * nobody.
 */
import { InvalidOptionError } from "./errors.ts";
import type { NodeDescription, TopologyDescription } from "./types.ts";

/** Who may answer; `…Preferred`: the other kind where there is none of the first. */
export type ReadPreferenceMode =
  | "primary"
  | "primaryPreferred"
  | "replica"
  | "replicaPreferred"
  | "nearest";

/** Who may answer a read. */
export interface ReadPreference {
  /** By role. */
  readonly mode: ReadPreferenceMode;
  /**
   * Not with `primary`. At least 2000; who is not known to keep it does not answer. With
   * `statusTopology` 4000 or more, or fresh replicas are left out, too.
   */
  readonly maxStalenessMs?: number;
  /** Default: the client's own. */
  readonly zone?: string;
  /** Default `prefer`. */
  readonly zonePolicy?: "prefer" | "require";
  /**
   * Nodes within this time of the fastest one share the reads, by `rttMs`; one that this client
   * has not measured yet is not left out. Default 15 ms.
   */
  readonly localThresholdMs?: number;
  /** The last word: out of those that fit, the ones that may answer. */
  readonly selector?: (nodes: readonly NodeDescription[]) => readonly NodeDescription[];
}

export type Filter = "health" | "mode" | "maxStalenessMs" | "zone" | "selector";

export type Eligible =
  | { readonly nodes: readonly NodeDescription[]; readonly emptiedBy: null }
  | { readonly nodes: readonly []; readonly emptiedBy: Filter };

const LEAST_STALENESS_MS = 2_000;

/** @throws InvalidOptionError */
export function readPreferenceOf(preference: ReadPreferenceMode | ReadPreference): ReadPreference {
  const whole = typeof preference === "string" ? { mode: preference } : preference;
  if (whole.maxStalenessMs === undefined) return whole;
  if (whole.mode === "primary") {
    throw new InvalidOptionError("maxStalenessMs", "has no meaning for reads from the leader");
  }
  if (whole.maxStalenessMs < LEAST_STALENESS_MS) {
    const least = `${LEAST_STALENESS_MS} ms, twice the time between two looks at a replica`;
    throw new InvalidOptionError("maxStalenessMs", `must be at least ${least}`);
  }
  return whole;
}

export function eligibleNodes(
  { nodes, leader }: Pick<TopologyDescription, "nodes" | "leader">,
  preference: ReadPreference,
): Eligible {
  const healthy = nodes.filter((node) => node.state === "up");
  if (healthy.length === 0) return { nodes: [], emptiedBy: "health" };
  const isLeader = (node: NodeDescription): boolean => node.id === leader?.id;
  const groups = groupsOf(preference.mode, {
    primary: healthy.filter(isLeader),
    replicas: healthy.filter((node) => !isLeader(node) && node.role === "replica"),
  });
  let emptiedBy: Filter = "mode";
  for (const group of groups) {
    const found = narrow(group, preference, isLeader);
    if (found.emptiedBy === null) return found;
    if (group.length > 0) emptiedBy = found.emptiedBy;
  }
  return { nodes: [], emptiedBy };
}

/** First the group that is wanted, then the one that will do. */
function groupsOf(
  mode: ReadPreferenceMode,
  { primary, replicas }: Record<"primary" | "replicas", readonly NodeDescription[]>,
): readonly (readonly NodeDescription[])[] {
  switch (mode) {
    case "primary":
      return [primary];
    case "primaryPreferred":
      return [primary, replicas];
    case "replica":
      return [replicas];
    case "replicaPreferred":
      return [replicas, primary];
    case "nearest":
      return [[...primary, ...replicas]];
  }
}

function narrow(
  group: readonly NodeDescription[],
  preference: ReadPreference,
  isLeader: (node: NodeDescription) => boolean,
): Eligible {
  if (group.length === 0) return { nodes: [], emptiedBy: "mode" };
  const { maxStalenessMs, selector } = preference;
  const isFresh = (node: NodeDescription): boolean =>
    maxStalenessMs === undefined ||
    isLeader(node) ||
    (node.stalenessMs !== null && node.stalenessMs <= maxStalenessMs);
  const fresh = group.filter(isFresh);
  if (fresh.length === 0) return { nodes: [], emptiedBy: "maxStalenessMs" };
  const near = inZone(fresh, preference);
  if (near.length === 0) return { nodes: [], emptiedBy: "zone" };
  const fast = withinThreshold(near, preference.localThresholdMs ?? 15);
  const chosen = selector ? selector(fast) : fast;
  return chosen.length === 0
    ? { nodes: [], emptiedBy: "selector" }
    : { nodes: chosen, emptiedBy: null };
}

function inZone(
  nodes: readonly NodeDescription[],
  { zone, zonePolicy = "prefer" }: ReadPreference,
): readonly NodeDescription[] {
  if (zone === undefined) return nodes;
  const near = nodes.filter((node) => node.zone === zone);
  return near.length > 0 || zonePolicy === "require" ? near : nodes;
}

function withinThreshold(
  nodes: readonly NodeDescription[],
  thresholdMs: number,
): readonly NodeDescription[] {
  const measured = nodes.flatMap(({ rttMs }) => (rttMs === null ? [] : [rttMs]));
  if (measured.length === 0) return nodes;
  const limitMs = Math.min(...measured) + thresholdMs;
  // Never measured is no reason to be left out for ever.
  return nodes.filter(({ rttMs }) => rttMs === null || rttMs <= limitMs);
}

/** Of two drawn at random, the one with less to do. */
export function pickNode(
  nodes: readonly NodeDescription[],
  inFlight: (node: NodeDescription) => number,
  draw: () => number,
): NodeDescription | null {
  const one = nodes[Math.floor(draw() * nodes.length)];
  const other = nodes[Math.floor(draw() * nodes.length)];
  if (!one || !other) return null;
  return inFlight(other) < inFlight(one) ? other : one;
}
