/**
 * What the parts of the client tell one another about the group. Data only.
 */

/** The fencing token: grows with every change of leader. */
export type Epoch = number;

/** What a Redis says that it is. */
export type NodeRole = "primary" | "replica" | "unknown";

/** One Redis of the group, as far as it is known. */
export interface NodeDescription {
  /** The pod's name where the source knows it, else `host:port`. */
  readonly id: string;
  /** Where it is reached. */
  readonly host: string;
  /** Where it is reached. */
  readonly port: number;
  /** As its source says; null: unknown. */
  readonly zone: string | null;
  /** As it was seen last. */
  readonly role: NodeRole;
  /** `suspect`: not in sync with its leader, or loading. `down`: it does not answer. */
  readonly state: "up" | "suspect" | "down";
  /** The present history of its data; null: unknown. */
  readonly replicationId: string | null;
  /** The history before; null: none, or unknown. */
  readonly previousReplicationId: string | null;
  /** Where the present history branched off the previous one; null: unknown. */
  readonly branchOffset: bigint | null;
  /** How far it reaches in its history, in bytes; null: unknown. */
  readonly offset: bigint | null;
  /** An upper bound; null: unknown, which meets no bound. */
  readonly stalenessMs: number | null;
  /** Smoothed over looks, handshakes and idle `PING`s of this client; null: there was none. */
  readonly rttMs: number | null;
  /** How long ago this was observed. */
  readonly ageMs: number;
  /** Why the last look failed; null: it did not. */
  readonly error: Error | null;
  /** Its address is a Service's: each new connection may reach another node. Default: its own. */
  readonly viaService?: boolean;
}

/** What is known of a group. Frozen: another one comes when something changes. */
export interface TopologyDescription {
  /** Null: no source orders its leaders, so nothing here fences a stale one. */
  readonly epoch: Epoch | null;
  /** Null: none is known. */
  readonly leader: NodeDescription | null;
  /** All that any source knows, the leader among them. */
  readonly nodes: readonly NodeDescription[];
  /** Configured size; `majority` counts these, not the live ones. */
  readonly expectedNodes: number | null;
  /** +1 for each change of leader that this process has seen. */
  readonly generation: number;
}

/**
 * Why a provider is asked to look again. `rejected`: by one that may well lead, and has too few
 * replicas in reach; that is no reason to leave a source that can be believed.
 */
export type CheckReason =
  | "rejected"
  | "connectionLost"
  | "roleMismatch"
  | "redirected"
  | "noLeader";

/**
 * How a change of leader became known. `rejection`: a leader had refused a command, and the look
 * that followed found another one. `redirect`: it had named that other one (Valkey).
 */
export type LeaderChangeVia = "push" | "probe" | "rejection" | "redirect";

/** A planned change is about to begin: writes are better held than sent. */
export interface LeaderChanging {
  /** That ends. */
  readonly epoch: Epoch;
  /** The pod that is to lead; null: unknown. */
  readonly successor: string | null;
  /** For how long to hold writes from now on, at most. */
  readonly deadlineMs: number;
}

/** What one source found in one look. */
export interface TopologyObservation {
  /** The provider's name. */
  readonly source: string;
  /** Orders the observations of one process; null: each counts. */
  readonly version: { readonly processId: string; readonly counter: number } | null;
  /** Null: this source knows none. */
  readonly epoch: Epoch | null;
  /** `id` of one of `nodes`; null: nobody, as far as this source knows. */
  readonly leaderId: string | null;
  /** Configured size; null: this source does not know. */
  readonly expectedNodes: number | null;
  /** All that the source knows; who is missing is gone. */
  readonly nodes: readonly NodeDescription[];
  /** Read from the Lease, not guessed from a Service. */
  readonly authoritative: boolean;
  /** How a change that this shows became known. */
  readonly via: LeaderChangeVia;
}

/** Takes what a provider finds. */
export interface TopologySink {
  /** What was found in one look. */
  observe(observation: TopologyObservation): void;
  /** A planned change is about to begin. */
  announce(change: LeaderChanging): void;
  /** The source cannot look. It goes on trying. */
  fault(error: Error): void;
}

/** What providers are given to look at a Redis themselves. */
export interface ProbeTools {
  /** Connects, asks who it is and closes. Rejects with what went wrong. */
  probe(address: Address, signal: AbortSignal): Promise<NodeProof>;
}

/** A source of the topology. Those of this package are made by functions; others may be written. */
export interface TopologyProvider {
  /** For events and messages. */
  readonly name: string;
  /** Goes on for ever, tells faults to the sink, never throws. Ends when `signal` is aborted. */
  start(sink: TopologySink, signal: AbortSignal, tools: ProbeTools): void;
  /** Somebody has reason to doubt: looks now, at most every 500 ms. */
  requestCheck(reason: CheckReason): void;
}

/** Where a Redis is reached. */
export interface Address {
  /** Name or address. */
  readonly host: string;
  /** Of Redis. */
  readonly port: number;
}

/** What a Redis said of itself on one socket. */
export interface NodeProof {
  /** By its answer to `HELLO`. */
  readonly role: "primary" | "replica";
  /** Loads its data: takes no commands yet. */
  readonly loading: boolean;
  /** Of a replica: its link to its leader is up; null: a primary, or unknown. */
  readonly isLinkUp: boolean | null;
  /** The address that the server itself sees: behind a Service this tells the pods apart. */
  readonly localAddress: string | null;
  /** The present history of its data; null: the user may not run `INFO`. */
  readonly replicationId: string | null;
  /** The history before; null: none, or unknown. */
  readonly previousReplicationId: string | null;
  /** Where the present history branched off the previous one; null: unknown. */
  readonly branchOffset: bigint | null;
  /** How far it reaches, in bytes; null: unknown. */
  readonly offset: bigint | null;
  /** Such as `8.0.2`; null: unknown. */
  readonly version: string | null;
  /** Of the question. */
  readonly rttMs: number;
}

/** Such as pino's with its arguments turned around, or the console. */
export interface Logger {
  /** What was tried in vain: connections, heartbeats, looks of a source of topology. */
  debug(message: string, fields?: object): void;
  /** Changes of leader. */
  info(message: string, fields?: object): void;
  /** The loss of a leader; once for each command whose state the next server does not know. */
  warn(message: string, fields?: object): void;
}

/** Whether the data was changed. */
export type Outcome = "applied" | "not-applied" | "unknown";
