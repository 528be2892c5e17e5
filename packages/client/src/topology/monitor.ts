/**
 * Runs the providers, keeps the one description of the group that all connections share, and judges
 * the sockets that claim to lead to its leader.
 *
 * Guarantees: `changed` is called after the description has changed, in order; a provider's fault
 * touches nothing. Decides nothing by itself: `update` does.
 */
import type {
  Address,
  CheckReason,
  Epoch,
  LeaderChanging,
  NodeDescription,
  NodeProof,
  ProbeTools,
  TopologyDescription,
  TopologyObservation,
  TopologyProvider,
} from "../types.ts";
import type { Admission } from "../leader-connector.ts";
import { INITIAL, type TopologyEvent, type TopologyState } from "./state.ts";
import { update } from "./update.ts";
import { nodeOf } from "./node.ts";
import { lineageOf } from "./order.ts";
import { RoundTrips } from "./round-trips.ts";
import { sampled, stalenessOf, type Samples } from "./staleness.ts";

/** Where a connection shall go, and what its socket will be compared with. */
export interface Target {
  readonly node: NodeDescription;
  readonly tag: string;
}

export interface MonitorListener {
  /** The leader, its address or the epoch is another one. */
  changed(current: TopologyDescription, previous: TopologyDescription): void;
  /** Anything that is known of the group. */
  refreshed(): void;
  event(event: TopologyEvent): void;
  announced(change: LeaderChanging): void;
  /** Something unrelated claims to lead: whoever is connected to the leader shall check it. */
  doubted(): void;
  fault(provider: string, error: Error): void;
}

/** What a connection of the client was told itself. */
const SOCKET = "socket";
/** A planned change that takes longer has been given up by those who planned it. */
const LONGEST_CHANGE_MS = 15_000;

export class Monitor {
  #state: TopologyState = INITIAL;
  #samples: Samples = [];
  #heardAtMs = performance.now();
  readonly #roundTrips = new RoundTrips();
  readonly #heardFrom = new Map<string, number>();
  readonly #listeners = new Set<Partial<MonitorListener>>();
  readonly #stop = new AbortController();
  readonly #providers: readonly TopologyProvider[];
  readonly #tools: ProbeTools;

  constructor(providers: readonly TopologyProvider[], tools: ProbeTools) {
    this.#providers = providers;
    this.#tools = {
      probe: async (address, signal) => {
        const proof = await tools.probe(address, signal);
        this.#roundTrips.proved(address, proof);
        return proof;
      },
    };
  }

  /** A connection of this client has shaken hands. */
  proved(address: Address, proof: NodeProof): void {
    this.#roundTrips.proved(address, proof);
  }

  /** An idle one has had the answer to a `PING`; `address`: as `localAddress` of the handshake. */
  answered(address: Address, localAddress: string | null, rttMs: number): void {
    this.#roundTrips.proved(address, { localAddress, rttMs });
  }

  start(): void {
    for (const provider of this.#providers) {
      provider.start(
        {
          observe: (observation) => this.observe(observation),
          announce: (change) => this.#announce(change),
          fault: (error) => this.#tell((listener) => listener.fault?.(provider.name, error)),
        },
        this.#stop.signal,
        this.#tools,
      );
    }
  }

  stop(): void {
    this.#stop.abort();
  }

  get description(): TopologyDescription {
    return this.#state.description;
  }

  /** The same with ages and staleness as they are now. */
  current(): TopologyDescription {
    const { description } = this.#state;
    const nowMs = performance.now();
    const sinceMs = nowMs - this.#heardAtMs;
    const nodes = description.nodes.map((node) => ({
      ...node,
      ageMs: node.ageMs + sinceMs,
      rttMs: this.#roundTrips.of(node) ?? node.rttMs,
      stalenessMs: stalenessOf(node, description.leader, { samples: this.#samples, nowMs }),
    }));
    const leader = nodes.find((node) => node.id === description.leader?.id) ?? description.leader;
    return { ...description, nodes, leader };
  }

  /** How long ago each source spoke; what a connection itself was told is none. */
  ages(): readonly { readonly source: string; readonly ageMs: number }[] {
    const nowMs = performance.now();
    return [...this.#heardFrom].map(([source, atMs]) => ({ source, ageMs: nowMs - atMs }));
  }

  /** Where to go now; null: nobody leads. */
  target(): Target | null {
    const { leader } = this.#state.description;
    return leader && { node: leader, tag: tagOf(this.#state.description) };
  }

  /** The leader's name as a source with epochs gave it; null: none names it now. */
  nameOfEpoch(): { readonly epoch: Epoch; readonly id: string } | null {
    const { description, namedBy } = this.#state;
    const { epoch, leader } = description;
    return epoch === null || !leader || namedBy !== "epoch" ? null : { epoch, id: leader.id };
  }

  listen(listener: Partial<MonitorListener>): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A connection to the leader was lost or refused. */
  leaderFailed(reason: CheckReason): void {
    this.#state = { ...this.#state, hasLeaderFailed: true };
    this.requestCheck(reason);
  }

  requestCheck(reason: CheckReason): void {
    if (this.#stop.signal.aborted) return;
    for (const provider of this.#providers) provider.requestCheck(reason);
  }

  observe(found: TopologyObservation): void {
    if (this.#stop.signal.aborted) return;
    if (found.source !== SOCKET) this.#heardFrom.set(found.source, performance.now());
    const observation = named(found, this.#state.description);
    const previous = this.#state.description;
    const { state, events } = update(this.#state, observation, performance.now());
    this.#state = state;
    const { description } = state;
    if (description !== previous) {
      this.#heardAtMs = performance.now();
      this.#samples = sampled(
        this.#samples,
        { before: previous.leader, now: description.leader },
        this.#heardAtMs,
      );
    }
    for (const event of events) this.#tell((listener) => listener.event?.(event));
    const isContradicted = events.some((event) => event.type === "topologyConflict");
    if (isContradicted) this.requestCheck("roleMismatch");
    const isDoubted = state.candidate !== null && !state.hasLeaderFailed;
    if (isDoubted) this.#tell((listener) => listener.doubted?.());
    if (description !== previous) this.#tell((listener) => listener.refreshed?.());
    if (tagOf(previous) === tagOf(description) && previous.epoch === description.epoch) return;
    this.#tell((listener) => listener.changed?.(description, previous));
  }

  /**
   * Whether the node behind a socket is the leader that `target` names. Where no epoch orders the
   * leaders, what the socket says is an observation of its own.
   */
  admit(target: Target, proof: NodeProof): Admission {
    if (proof.loading) return { admitted: false, why: "it is loading its data" };
    if (proof.role !== "primary") return { admitted: false, why: "it is a replica" };
    if (this.#state.description.epoch === null) return this.#admitByLineage(target, proof);
    const other = this.#state.description.nodes.find(
      (node) => addressOf(node) === proof.localAddress && node.id !== target.node.id,
    );
    if (other) return { admitted: false, why: `it is ${other.id}, which does not lead now` };
    const isLeader = target.node.id === this.#state.description.leader?.id;
    if (isLeader) this.#state = { ...this.#state, hasLeaderFailed: false };
    return { admitted: true };
  }

  #admitByLineage(target: Target, proof: NodeProof): Admission {
    const { host, port, viaService = false } = target.node;
    // At an address of its own it is who was looked for, whatever it calls that address.
    const id = (viaService ? proof.localAddress : null) ?? target.node.id;
    const found = observationOf({ host, port }, { id, proof, zone: target.node.zone });
    const nodes = found.nodes.map((node) => ({ ...node, viaService }));
    this.observe({ ...found, nodes, source: SOCKET, leaderId: id });
    const { leader } = this.#state.description;
    const isKnown = proof.replicationId !== null && leader?.replicationId !== null;
    const isLeader = isKnown ? leader?.replicationId === proof.replicationId : leader?.id === id;
    if (isLeader) {
      this.#state = { ...this.#state, hasLeaderFailed: false };
      return { admitted: true };
    }
    return { admitted: false, why: `its history is not that of ${leader?.id ?? "the leader"}` };
  }

  /** Commands wait for it: so it is neither an old word, nor believed for ever. */
  #announce(change: LeaderChanging): void {
    const { epoch } = this.#state.description;
    if (this.#stop.signal.aborted || (epoch !== null && change.epoch < epoch)) return;
    const deadlineMs = Math.min(Math.max(0, change.deadlineMs), LONGEST_CHANGE_MS);
    this.#tell((listener) => listener.announced?.({ ...change, deadlineMs }));
  }

  #tell(call: (listener: Partial<MonitorListener>) => void): void {
    for (const listener of [...this.#listeners]) {
      try {
        call(listener);
      } catch (error) {
        // A logger of the caller's, say: it surfaces, and the others hear of the change.
        process.nextTick(() => {
          throw error;
        });
      }
    }
  }
}

/** An observation of one node, by what it said of itself. */
export function observationOf(
  { host, port }: { readonly host: string; readonly port: number },
  found: { readonly id: string; readonly proof: NodeProof; readonly zone: string | null },
): Omit<TopologyObservation, "source" | "leaderId"> {
  const { id, proof, zone } = found;
  const { role, replicationId, previousReplicationId, branchOffset, offset, rttMs } = proof;
  const state = proof.loading || proof.isLinkUp === false ? "suspect" : "up";
  const history = { replicationId, previousReplicationId, branchOffset, offset };
  // It was answered after it was asked: an offset is never younger than that.
  const node = nodeOf({ id, host, port, zone, role, state, ...history, rttMs, ageMs: rttMs });
  const nodes = [node];
  return {
    version: null,
    epoch: null,
    expectedNodes: null,
    nodes,
    authoritative: false,
    via: "probe",
  };
}

function tagOf({ generation, leader }: TopologyDescription): string {
  return leader === null ? `${generation}` : `${generation} ${addressOf(leader)}`;
}

function addressOf({ host, port }: NodeDescription): string {
  return `${host}:${port}`;
}

/**
 * A source without epochs knows nodes by address, and reaches some through a Service. One whose
 * address is known goes by its name there, and stays at its place; so does one that is known by the
 * same name and has not changed. Else two sources would move all connections back and forth.
 */
function named(observation: TopologyObservation, known: TopologyDescription): TopologyObservation {
  if (observation.authoritative || observation.epoch !== null) return observation;
  const nodes = observation.nodes.map((node) => {
    const before =
      known.nodes.find((one) => addressOf(one) === node.id) ??
      known.nodes.find((one) => one.id === node.id && lineageOf(node, one) === "same");
    if (!before) return node;
    const { id, host, port, viaService = false } = before;
    return { ...node, id, host, port, viaService };
  });
  const at = observation.nodes.findIndex(({ id }) => id === observation.leaderId);
  return { ...observation, leaderId: nodes[at]?.id ?? observation.leaderId, nodes };
}
