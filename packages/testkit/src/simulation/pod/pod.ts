/**
 * One pod: a redis container (guard and Redis), a sidecar container, the tmpfs that both share,
 * and a data volume. A name may belong to two of these at once: that is what twins are.
 */
import type { GuardObservation, Permit, PodObservation } from "@leasehold/replication";
import type { Machine } from "../machine.ts";
import type { RedisServer } from "../redis/server.ts";
import type { RedisSite } from "../redis/types.ts";
import type { Volume } from "../redis/volume.ts";
import type { World } from "../world.ts";
import { Guard } from "./guard.ts";
import { Sidecar } from "./sidecar.ts";

export interface Tmpfs {
  permit: Permit | null;
  guard: GuardObservation | null;
  killRequest: { readonly bootId: string; readonly pid: number } | null;
  /** preStop asks the sidecar to give up the lead. */
  stopRequested: boolean;
  /** The sidecar lets preStop end. */
  stopped: boolean;
}

export interface PodSpec {
  readonly name: string;
  readonly ordinal: number;
  readonly uid: string;
  readonly machine: Machine;
  readonly volume: Volume;
  readonly revision: string;
  readonly label: string;
}

const REDIS_PORT = 6379;
const PEER_PORT = 8009;

export class Pod implements RedisSite {
  readonly spec: PodSpec;
  readonly label: string;
  readonly machine: Machine;
  readonly volume: Volume;
  host: string;
  tmpfs: Tmpfs = emptyTmpfs();
  guard: Guard | null = null;
  sidecar: Sidecar | null = null;
  /** The redis container is frozen: guard and Redis. */
  frozen = false;
  terminating = false;
  graceMs: number | null = null;
  /** Redis accepts no further connection: `maxclients`. */
  refusesClients = false;
  /** Nothing of it runs any more, or ever will. */
  gone = false;
  guardSkewMs = 0;
  /** Frozen together with its guard until lately: its old connections may still be served. */
  exemptUntilMs = 0;
  /** Force-deleted while it ran on, cut off from the API. */
  isDisowned = false;
  private readonly world: World;

  constructor(world: World, spec: PodSpec) {
    this.world = world;
    this.spec = spec;
    this.label = spec.label;
    this.machine = spec.machine;
    this.volume = spec.volume;
    this.host = world.newHost();
  }

  get name(): string {
    return this.spec.name;
  }

  get redis(): RedisServer | null {
    return this.guard?.redis ?? null;
  }

  get redisAddress(): { readonly host: string; readonly port: number } {
    return { host: this.host, port: REDIS_PORT };
  }

  get peerPort(): number {
    return PEER_PORT;
  }

  isFrozen(): boolean {
    return this.frozen || this.machine.frozen;
  }

  startGuard(): void {
    if (this.gone || !this.machine.powered || this.guard?.alive) return;
    this.guard = new Guard(this.world, this);
  }

  startSidecar(): void {
    if (this.gone || !this.machine.powered || this.sidecar?.alive) return;
    this.sidecar = new Sidecar(this.world, this);
  }

  /** Everything may have been stopped for a while: go on. */
  resumed(): void {
    this.redis?.resumed();
    this.sidecar?.resumed();
  }

  redisEnded(server: RedisServer, cause: "exit" | "kill"): void {
    this.guard?.redisEnded(server, cause);
  }

  /** The guard's container ended after SIGTERM. */
  guardEnded(): void {
    this.guard?.end("kill");
    this.world.kubelet.containerEnded(this, "redis");
  }

  sidecarEnded(): void {
    this.world.kubelet.containerEnded(this, "sidecar");
  }

  /** SIGKILL of everything, or a power loss. */
  end(cause: "kill" | "power"): void {
    this.sidecar?.end();
    this.guard?.end(cause);
    this.gone = this.gone || cause === "kill";
  }

  /** A new life after the machine's power came back: tmpfs and address are new. */
  rebooted(): void {
    this.tmpfs = emptyTmpfs();
    this.host = this.world.newHost();
    this.frozen = false;
    this.guard = null;
    this.sidecar = null;
  }

  observation(): PodObservation {
    const sidecarEnded = this.sidecar !== null && !this.sidecar.alive;
    const guardEnded = this.guard !== null && !this.guard.alive;
    return {
      member: this.name,
      uid: this.spec.uid,
      address: this.redisAddress,
      peerPort: PEER_PORT,
      terminating: this.terminating,
      graceMs: this.graceMs,
      dead: this.terminating && sidecarEnded && guardEnded,
      revision: this.spec.revision,
    };
  }
}

function emptyTmpfs(): Tmpfs {
  return { permit: null, guard: null, killRequest: null, stopRequested: false, stopped: false };
}
