/** What the runtime needs of the world. `main` wires real adapters in, tests their fakes. */
import type { LeaseStore } from "@leasehold/election";
import type {
  Action,
  MemberEventBody,
  MemberStatus,
  PodsObservation,
  RedisServer,
  RequestResult,
  SliceStore,
} from "@leasehold/replication";
import type { RedisSource } from "@leasehold/redis";
import type { Clock } from "./clock.ts";
import type { RecordFile } from "./files/record-file.ts";
import type { RunDirectory } from "./files/run-directory.ts";
import type { Log } from "./log.ts";
import type { PeerClient } from "./peers/peer-client.ts";

export type Announcement = Extract<Action, { readonly type: "announce" }>;

/** Where people read what happened: Events and history. Never blocks, never throws. */
export interface Journal {
  announce(announcement: Announcement): void;
}

export interface ControlRequests {
  /** Writes the answer to a request of people. Rejects if it could not. */
  finish(requestId: string, result: RequestResult, deadlineMs: number): Promise<void>;
  /** Takes a pause away that is over. Rejects if it could not. */
  endPause(pauseId: string, deadlineMs: number): Promise<void>;
}

export interface PodReader {
  /** Rejects if the API did not answer. */
  readPods(deadlineMs: number): Promise<PodsObservation>;
}

export interface RuntimePorts {
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly draw: () => number;
  readonly log: Log;
  readonly leases: LeaseStore;
  readonly slices: SliceStore;
  readonly pods: PodReader;
  readonly control: ControlRequests;
  readonly journal: Journal;
  readonly redis: RedisServer;
  /** A primary outside the group; null: none is to be followed. */
  readonly source: RedisSource | null;
  readonly peers: Pick<PeerClient, "report" | "promise" | "hint" | "offset">;
  readonly run: Pick<RunDirectory, "writePermit" | "writeKill" | "writeStopped">;
  readonly record: Pick<RecordFile, "write">;
  readonly observer: RuntimeObserver;
  /** The process must end now: by decision, or by a fault that only a new process heals. */
  readonly end: (end: RuntimeEnd) => void;
}

export type RuntimeEnd =
  | { readonly kind: "decided" }
  | { readonly kind: "coreFailed" | "fenceFailed" | "overflow"; readonly words: string };

/** Metrics and the topology stream look on; nothing that they do changes a decision. */
export interface RuntimeObserver {
  acted(action: Action): void;
  handled(event: MemberEventBody): void;
  /** The event loop was late by that much. */
  lagged(lagMs: number): void;
  /** After each turn. */
  turned(status: () => MemberStatus): void;
}
