/** What a modelled Redis needs of the world around it, and what it tells those who judge. */
import type { Random } from "../../random.ts";
import type { VirtualClock } from "../../virtual-clock.ts";
import type { Machine } from "../machine.ts";
import type { Network } from "../network.ts";
import type { RedisServer } from "./server.ts";
import type { Volume } from "./volume.ts";

/** Of a client, of the sidecar's probe, or its role connection. */
export interface Connection {
  /** Network index of the other end. */
  readonly address: number;
  /** The server closed it: what still arrives on it is refused. */
  isCut: boolean;
  /** Its last command was a write. */
  lastWrote?: boolean;
  /** The other end learns that the server closed it. */
  closed(): void;
}

export type WriteAnswer =
  | { readonly error: null; readonly copies: number }
  | { readonly error: "LOADING" | "BUSY" | "READONLY" | "NOREPLICAS" | "UNBLOCKED" };

export interface WriteRequest {
  readonly id: number;
  readonly bytes: number;
  /** `WAIT 1 <waitMs>` behind the write; 0: none. */
  readonly waitMs: number;
  readonly connection: Connection | null;
  answer(answer: WriteAnswer): void;
}

export interface RedisSite {
  /** One pod, not one name: a twin is another site. */
  readonly label: string;
  readonly machine: Machine;
  readonly volume: Volume;
  /** Its container is frozen. */
  readonly frozen: boolean;
  redisEnded(server: RedisServer, cause: "exit" | "kill"): void;
}

export interface RedisOptions {
  readonly fullSyncMs: number;
  readonly loadMs: number;
  readonly replTimeoutMs: number;
  readonly backlogBytes: number;
  readonly snapshotMs: number;
}

/** Called at the instant at which it happens; must not change the world. */
export interface RedisJudge {
  /** Role, pause, loading or life of a server may have changed. */
  redisChanged(server: RedisServer): void;
  /** `CLIENT PAUSE` was executed. */
  paused(server: RedisServer): void;
  accepted(server: RedisServer, request: WriteRequest): void;
  fullSync(replica: RedisServer, upstream: RedisServer): void;
  /** A partial resync joined two histories that differ. */
  diverged(replica: RedisServer, upstream: RedisServer): void;
  replidChanged(server: RedisServer): void;
}

export interface RedisWorld {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly network: Network;
  readonly options: RedisOptions;
  readonly judge: RedisJudge;
  /** What `from` finds there; `from` tells whose loopback is meant. */
  redisAt(host: string, from?: RedisServer): RedisServer | null;
  /** Whatever stands between the two lets their bytes pass now; without it nothing does. */
  carries?(upstream: RedisServer, replica: RedisServer): boolean;
}
