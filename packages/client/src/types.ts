/**
 * What the parts of the client tell one another about the group. Data only.
 */

/** The fencing token: grows with every change of leader. */
export type Epoch = number;

export type NodeRole = "primary" | "replica" | "unknown";

/** One Redis of the group, as far as it is known. */
export interface NodeDescription {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly zone: string | null;
  readonly role: NodeRole;
  readonly state: "up" | "suspect" | "down";
  readonly replicationId: string | null;
  readonly previousReplicationId: string | null;
  /** Where the present history branched off the previous one; null: unknown. */
  readonly branchOffset: bigint | null;
  readonly offset: bigint | null;
  /** An upper bound; null: unknown, which meets no bound. */
  readonly stalenessMs: number | null;
  readonly rttMs: number | null;
  /** How long ago this was observed. */
  readonly ageMs: number;
  readonly error: Error | null;
}

export interface TopologyDescription {
  /** Null: no source orders its leaders, so nothing here fences a stale one. */
  readonly epoch: Epoch | null;
  readonly leader: NodeDescription | null;
  readonly nodes: readonly NodeDescription[];
  /** Configured size; `majority` counts these, not the live ones. */
  readonly expectedNodes: number | null;
  /** +1 for each change of leader that this process has seen. */
  readonly generation: number;
}

export type CheckReason =
  | "rejected"
  | "connectionLost"
  | "roleMismatch"
  | "redirected"
  | "noLeader";

export type LeaderChangeVia = "push" | "probe" | "rejection" | "redirect";

/** A planned change is about to begin: writes are better held than sent. */
export interface LeaderChanging {
  readonly epoch: Epoch;
  readonly successor: string | null;
  readonly deadlineMs: number;
}

export interface TopologyObservation {
  readonly source: string;
  /** Orders the observations of one process; null: each counts. */
  readonly version: { readonly processId: string; readonly counter: number } | null;
  readonly epoch: Epoch | null;
  readonly leaderId: string | null;
  readonly expectedNodes: number | null;
  readonly nodes: readonly NodeDescription[];
  /** Read from the Lease, not guessed from a Service. */
  readonly authoritative: boolean;
  readonly via: LeaderChangeVia;
}

/** Takes what a provider finds. */
export interface TopologySink {
  observe(observation: TopologyObservation): void;
  announce(change: LeaderChanging): void;
  fault(error: Error): void;
}

/** What providers are given to look at a Redis themselves. */
export interface ProbeTools {
  /** Connects, asks who it is and closes. Rejects with what went wrong. */
  probe(address: Address, signal: AbortSignal): Promise<NodeProof>;
}

export interface TopologyProvider {
  readonly name: string;
  /** Goes on for ever, tells faults to the sink, never throws. Ends when `signal` is aborted. */
  start(sink: TopologySink, signal: AbortSignal, tools: ProbeTools): void;
  /** Somebody has reason to doubt: looks now, at most every 500 ms. */
  requestCheck(reason: CheckReason): void;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a Redis said of itself on one socket. */
export interface NodeProof {
  readonly role: "primary" | "replica";
  /** Loads its data: takes no commands yet. */
  readonly loading: boolean;
  /** The address that the server itself sees: behind a Service this tells the pods apart. */
  readonly localAddress: string | null;
  readonly replicationId: string | null;
  readonly previousReplicationId: string | null;
  readonly branchOffset: bigint | null;
  readonly offset: bigint | null;
  readonly version: string | null;
  readonly rttMs: number;
}

export interface Logger {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
}

/** Whether the data was changed. */
export type Outcome = "applied" | "not-applied" | "unknown";
