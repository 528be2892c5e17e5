/**
 * Decides, for each observation, who leads. Pure: state and observation in, state and events out.
 *
 * Guarantees: an older epoch never changes the leader; within one epoch there is one leader. What
 * is not read from the Lease overrules what was, if it proves itself the successor by its
 * replication history; else only once the leader has failed and the Lease was not heard of for ten
 * seconds, and until it is. Without epochs, one of an unrelated history leads only after two looks
 * in a row have met it and the leader has failed. Does not say that the leader is writable: the
 * socket does.
 */
import type { NodeDescription, TopologyDescription, TopologyObservation } from "../types.ts";
import { compareEpochs, lineageOf } from "./order.ts";
import type { TopologyEvent, TopologyState } from "./state.ts";

export interface Updated {
  readonly state: TopologyState;
  readonly events: readonly TopologyEvent[];
}

/** How long an observation of the Lease outranks one that guesses. */
const AUTHORITY_MS = 10_000;
/** An unrelated primary is believed when it is met again, this much later at least. */
const MEETING_APART_MS = 400;

export function update(
  state: TopologyState,
  observation: TopologyObservation,
  nowMs: number,
): Updated {
  const { version, source } = observation;
  const last = state.seen.get(source);
  if (version && last?.processId === version.processId && version.counter <= last.counter) {
    return { state, events: [] };
  }
  const seen = version ? new Map(state.seen).set(source, version) : state.seen;
  return judge({ ...state, seen }, observation, nowMs);
}

function judge(state: TopologyState, observation: TopologyObservation, nowMs: number): Updated {
  const known = state.description;
  switch (compareEpochs(observation.epoch, known.epoch)) {
    case "older":
      return { state, events: staleIn(observation, known) };
    case "newer":
      return adopt(confirmed(state, observation, nowMs), observation);
    case "same":
      return sameEpoch(confirmed(state, observation, nowMs), observation);
    case "unordered":
      return unordered(state, observation, nowMs);
  }
}

function confirmed(
  state: TopologyState,
  observation: TopologyObservation,
  nowMs: number,
): TopologyState {
  const isRead = observation.authoritative || observation.epoch !== null;
  return isRead ? { ...state, authoritativeAtMs: nowMs } : state;
}

function staleIn(observation: TopologyObservation, known: TopologyDescription): TopologyEvent[] {
  if (observation.leaderId === null || observation.leaderId === known.leader?.id) return [];
  const { epoch, leaderId } = observation;
  return [{ type: "staleLeaderIgnored", node: leaderId, epoch, known: known.epoch }];
}

function sameEpoch(state: TopologyState, observation: TopologyObservation): Updated {
  const { leader } = state.description;
  if (observation.leaderId === null) return refresh(state, observation, leader?.id ?? null);
  const isKnown = leader === null || leader.id === observation.leaderId;
  if (isKnown || state.namedBy === "guess") return adopt(state, observation);
  const claimed = observation.leaderId;
  return { state, events: [{ type: "topologyConflict", known: leader.id, claimed }] };
}

function unordered(state: TopologyState, observation: TopologyObservation, nowMs: number): Updated {
  const { leader, epoch } = state.description;
  const named = nodeNamed(observation, observation.leaderId);
  // Nobody leads, says one that cannot order its words: the socket will find out.
  if (!named) return refresh(state, observation, leader?.id ?? null);
  if (leader === null) return adopt(state, observation, "guess");
  const lineage = lineageOf(named, leader);
  if (lineage === "same") {
    // By another name, it is the same data and the same node.
    if (named.id !== leader.id) return { state: forgetting(state), events: [] };
    return adopt(forgetting(state), observation);
  }
  if (lineage === "successor") return adopt(forgetting(state), observation, "history");
  if (lineage === "predecessor") {
    return {
      state,
      events: [{ type: "staleLeaderIgnored", node: named.id, epoch: null, known: epoch }],
    };
  }
  if (isUnderAuthority(state, observation, nowMs)) return { state, events: [] };
  if (named.id === leader.id) return adopt(forgetting(state), observation);
  if (epoch !== null && !state.hasLeaderFailed) return { state, events: [] };
  const hasFailed = state.hasLeaderFailed || isFoundFailed(observation, leader);
  const met = state.candidate?.id === named.id ? state.candidate : { id: named.id, atMs: nowMs };
  if (nowMs - met.atMs >= MEETING_APART_MS) {
    // Two that cannot be ordered: as long as the one that was known is well, it stays.
    return hasFailed ? adopt(forgetting(state), observation, "guess") : { state, events: [] };
  }
  const events: TopologyEvent[] = [
    { type: "topologyConflict", known: leader.id, claimed: named.id },
  ];
  return { state: { ...state, candidate: met }, events };
}

/** By the same look, which reached the leader's own address or did not. */
function isFoundFailed({ nodes }: TopologyObservation, { id }: NodeDescription): boolean {
  return nodes.some((node) => node.id === id && (node.state === "down" || node.role === "replica"));
}

function isUnderAuthority(
  state: TopologyState,
  observation: TopologyObservation,
  nowMs: number,
): boolean {
  if (observation.authoritative || state.authoritativeAtMs === null) return false;
  return nowMs - state.authoritativeAtMs < AUTHORITY_MS;
}

function forgetting(state: TopologyState): TopologyState {
  return state.candidate === null ? state : { ...state, candidate: null };
}

/** Takes epoch and leader of the observation; null means that nobody leads yet. */
function adopt(
  state: TopologyState,
  observation: TopologyObservation,
  by: TopologyState["namedBy"] = state.namedBy,
): Updated {
  const known = state.description;
  const leader = nodeNamed(observation, observation.leaderId);
  const { nodes, events } = mergeNodes(state, observation);
  const epoch = observation.epoch ?? known.epoch;
  const expectedNodes = observation.expectedNodes ?? known.expectedNodes;
  const previous = known.leader;
  const isChange = leader !== null && leader.id !== previous?.id;
  const description: TopologyDescription = {
    epoch,
    leader,
    nodes,
    expectedNodes,
    generation: known.generation + (isChange ? 1 : 0),
  };
  if (isChange) {
    const divergedBytes = divergedBytesOf(previous, leader);
    const { via } = observation;
    events.push({ type: "leaderChanged", from: previous, to: leader, epoch, via, divergedBytes });
  } else if (leader === null && previous !== null) {
    events.push({ type: "leaderLost", last: previous, reason: "nobody leads yet" });
  }
  const namedBy = observation.epoch === null ? by : "epoch";
  const hasLeaderFailed = state.hasLeaderFailed && !isChange;
  return { state: { ...state, description, candidate: null, namedBy, hasLeaderFailed }, events };
}

/** Takes the nodes, and leaves the leader. */
function refresh(
  state: TopologyState,
  observation: TopologyObservation,
  leaderId: string | null,
): Updated {
  const { nodes, events } = mergeNodes(state, observation);
  const known = state.description;
  const leader = nodes.find((node) => node.id === leaderId) ?? known.leader;
  const expectedNodes = observation.expectedNodes ?? known.expectedNodes;
  return { state: { ...state, description: { ...known, nodes, leader, expectedNodes } }, events };
}

/** A lower bound of what the old leader held and the new one does not. */
function divergedBytesOf(previous: NodeDescription | null, leader: NodeDescription): bigint | null {
  if (!previous || previous.offset === null || leader.branchOffset === null) return null;
  if (previous.replicationId === null) return null;
  if (leader.previousReplicationId !== previous.replicationId) return null;
  const bytes = previous.offset - leader.branchOffset;
  return bytes > 0n ? bytes : 0n;
}

function nodeNamed(observation: TopologyObservation, id: string | null): NodeDescription | null {
  if (id === null) return null;
  return observation.nodes.find((node) => node.id === id) ?? null;
}

/** One that reads the Lease lists all nodes; what only some source has seen stays beside them. */
function mergeNodes(
  state: TopologyState,
  observation: TopologyObservation,
): { nodes: readonly NodeDescription[]; events: TopologyEvent[] } {
  const before = new Map(state.description.nodes.map((node) => [node.id, node]));
  const now = new Map(observation.nodes.map((node) => [node.id, node]));
  const events: TopologyEvent[] = [];
  for (const node of now.values()) {
    const old = before.get(node.id);
    if (!old) events.push({ type: "nodeAdded", node });
    else if (isDifferent(old, node)) events.push({ type: "nodeChanged", node });
  }
  const kept = [...before.values()].filter((node) => !now.has(node.id));
  if (!observation.authoritative) return { nodes: [...now.values(), ...kept], events };
  for (const node of kept) events.push({ type: "nodeRemoved", node });
  return { nodes: [...now.values()], events };
}

function isDifferent(one: NodeDescription, other: NodeDescription): boolean {
  const fields = ["host", "port", "role", "state", "zone", "replicationId"] as const;
  return fields.some((field) => one[field] !== other[field]);
}
