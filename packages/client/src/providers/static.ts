/**
 * A group at fixed addresses: each is asked who it is, and the one primary leads.
 *
 * Of two primaries the one whose history continues the other's leads; otherwise nobody does. There
 * is no epoch here, so nothing but the history fences a stale primary.
 */
import { InvalidOptionError } from "../errors.ts";
import { observationOf } from "../topology/monitor.ts";
import { nodeOf } from "../topology/node.ts";
import { lineageOf } from "../topology/order.ts";
import type { NodeDescription, ProbeTools, TopologyProvider, TopologySink } from "../types.ts";
import { paced, type Paced } from "./paced.ts";

/** Of `staticTopology`. */
export interface StaticTopologyOptions {
  /** All members; `zone` is for read preferences. */
  readonly nodes: readonly {
    readonly host: string;
    readonly port: number;
    readonly zone?: string;
  }[];
  /** Default 2000 ms. */
  readonly probeIntervalMs?: number;
}

type Place = StaticTopologyOptions["nodes"][number];

/**
 * Asks fixed addresses for their role. Of two primaries the one whose history goes on counts.
 *
 * @throws InvalidOptionError
 */
export function staticTopology(options: StaticTopologyOptions): TopologyProvider {
  const { nodes: places, probeIntervalMs = 2_000 } = options;
  if (places.length === 0) throw new InvalidOptionError("nodes", "give at least one address");
  let rounds: Paced | null = null;
  return {
    name: "static",
    start(sink, signal, tools) {
      rounds = paced(() => look(places, { sink, signal, tools }), probeIntervalMs, signal);
    },
    requestCheck: () => rounds?.hurry(),
  };
}

interface Look {
  readonly sink: TopologySink;
  readonly signal: AbortSignal;
  readonly tools: ProbeTools;
}

/** What answers is told at once: one that does not answer must not hold the others up. */
async function look(places: readonly Place[], { sink, signal, tools }: Look): Promise<void> {
  const found = new Map<string, NodeDescription>();
  let answered = 0;
  const tell = (): void => {
    if (signal.aborted) return;
    const nodes = [...found.values()];
    const leaderId = leaderAmong(nodes)?.id ?? null;
    // A lone primary may have a better one among those that still think.
    if (answered < places.length && leaderId === null) return;
    sink.observe({
      source: "static",
      version: null,
      epoch: null,
      leaderId,
      expectedNodes: places.length,
      nodes,
      authoritative: false,
      via: "probe",
    });
  };
  const ask = async (place: Place): Promise<void> => {
    const id = `${place.host}:${place.port}`;
    try {
      const proof = await tools.probe(place, signal);
      const [node] = observationOf(place, { id, proof, zone: place.zone ?? null }).nodes;
      if (node) found.set(id, node);
    } catch (error) {
      found.set(id, unreachable(place, error));
      if (!signal.aborted) sink.fault(new Error(`${id} does not answer`, { cause: error }));
    }
    answered += 1;
    tell();
  };
  await Promise.all(places.map(ask));
}

function leaderAmong(nodes: readonly NodeDescription[]): NodeDescription | null {
  const primaries = nodes.filter((node) => node.role === "primary" && node.state === "up");
  const [first, second] = primaries;
  if (primaries.length > 2 || !first) return null;
  if (!second) return first;
  const lineage = lineageOf(first, second);
  if (lineage === "successor") return first;
  return lineage === "predecessor" ? second : null;
}

function unreachable({ host, port, ...place }: Place, reason: unknown): NodeDescription {
  const zone = place.zone ?? null;
  const error = reason instanceof Error ? reason : new Error(String(reason));
  return nodeOf({ id: `${host}:${port}`, host, port, zone, state: "down", error });
}
