/**
 * One connection from a replica to its upstream, from PSYNC to its loss. Bytes arrive in order,
 * late, or not at all; a connection that the upstream closes still delivers what is on the wire.
 */
import type { Point } from "./history.ts";
import type { RedisServer } from "./server.ts";
import type { Snapshot } from "./volume.ts";

const HEARTBEAT_MS = 1_000;
const RETRANSMIT_MS = 50;

export class ReplicaLink {
  readonly upstream: RedisServer;
  readonly replica: RedisServer;
  state: "handshake" | "transfer" | "up" | "closed" = "handshake";
  ackedOffset = -1;
  /** Everything up to here has been put on the wire. */
  private cursor: Point | null = null;
  private flying = false;
  private closing = false;
  private silent = false;
  private lastSeenMs: number;

  constructor(upstream: RedisServer, replica: RedisServer) {
    this.upstream = upstream;
    this.replica = replica;
    this.lastSeenMs = replica.world.clock.nowMs;
    upstream.links.add(this);
    this.heartbeat();
  }

  /** The upstream said no: loading, or no link of its own (NOMASTERLINK). */
  refuse(): void {
    this.later(() => {
      this.drop();
      this.replica.follower.linkRefused(this);
    });
  }

  /** The upstream goes on from where the replica is. */
  continueFrom(at: Point): void {
    const { replid } = this.upstream;
    this.later(() => {
      if (this.closing) {
        this.lose();
        return;
      }
      this.cursor = at;
      this.state = "up";
      this.replica.linkContinues(replid);
      this.kick();
    });
  }

  /** The upstream sends everything. */
  transfer(snapshot: Snapshot): void {
    this.state = "transfer";
    this.replica.world.clock.after(this.replica.world.options.fullSyncMs, () =>
      this.transferred(snapshot),
    );
  }

  /** After the replica has loaded `snapshot`: the stream starts with its first acknowledgement. */
  loaded(snapshot: Snapshot): void {
    this.cursor = snapshot.head;
    this.state = "up";
    this.flying = true;
    const { clock, random } = this.replica.world;
    clock.after(random.between(20, HEARTBEAT_MS), () => {
      this.flying = false;
      if (this.closing) this.lose();
      else this.kick();
    });
  }

  /** Sends what the upstream has and the wire has not. */
  kick(): void {
    const { upstream } = this;
    if (this.state !== "up" || this.flying || this.closing) return;
    if (this.cursor === upstream.head) return;
    if (!upstream.isRunning()) return;
    this.flying = true;
    const { head, offset } = upstream;
    this.later(() => this.arrive(head, offset), true);
  }

  /** The upstream closes it: what is on the wire still arrives. */
  close(): void {
    if (this.state === "closed" || this.closing) return;
    this.upstream.links.delete(this);
    this.closing = true;
    if (!this.flying) this.later(() => this.lose());
  }

  /** The upstream's machine lost its power: nothing arrives any more, not even an end. */
  silence(): void {
    this.upstream.links.delete(this);
    this.closing = true;
    this.silent = true;
  }

  /** The replica closes it. */
  drop(): void {
    this.state = "closed";
    this.upstream.links.delete(this);
  }

  /** Something between the two ended it, and has lost what was on its way. */
  cut(): void {
    this.lose();
  }

  private lose(): void {
    if (this.state === "closed") return;
    this.drop();
    this.replica.follower.linkLost(this);
  }

  private transferred(snapshot: Snapshot): void {
    if (this.state !== "transfer" || this.closing) return;
    if (!this.reaches() || !this.replica.isRunning()) {
      this.replica.world.clock.after(RETRANSMIT_MS, () => this.transferred(snapshot));
      return;
    }
    this.replica.follower.load(snapshot, this);
  }

  private arrive(head: Point, offset: number, wasCutOff = false): void {
    if (this.state === "closed" || this.silent) return;
    const { replica } = this;
    if (!this.reaches() || !replica.isRunning() || replica.isPaused()) {
      replica.world.clock.after(replica.isPaused() ? 5 : RETRANSMIT_MS, () =>
        this.arrive(head, offset, wasCutOff || !this.reaches()),
      );
      return;
    }
    this.flying = false;
    this.cursor = head;
    if (wasCutOff) replica.cameLate = { before: replica.head, atMs: replica.world.clock.nowMs };
    replica.applyStream(head, offset);
    if (this.closing) {
      this.lose();
      return;
    }
    if (this.upstream.writes.hasWaiters) this.later(() => this.acknowledge(offset));
    this.kick();
  }

  private acknowledge(offset: number): void {
    if (this.state !== "up") return;
    this.ackedOffset = Math.max(this.ackedOffset, offset);
    this.upstream.writes.acknowledged();
  }

  /** Both sides' time-out: an end that does not hear the other for `replTimeoutMs` gives up. */
  private heartbeat(): void {
    if (this.state === "closed") return;
    const { clock, options } = this.replica.world;
    const { upstream, replica } = this;
    const heard =
      !this.closing && this.reaches() && (upstream.isRunning() || !upstream.site.machine.powered);
    if (heard && upstream.alive) this.lastSeenMs = clock.nowMs;
    const isOver = clock.nowMs - this.lastSeenMs > options.replTimeoutMs;
    const isReset = !upstream.alive && upstream.site.machine.powered && !this.flying;
    if (replica.isRunning() && this.reaches() && isReset) this.lose();
    else if (replica.isRunning() && isOver) this.lose();
    clock.after(HEARTBEAT_MS, () => this.heartbeat());
  }

  private reaches(): boolean {
    const { upstream, replica } = this;
    const { world, site } = replica;
    const isLinked = world.network.isLinked(upstream.site.machine.address, site.machine.address);
    return isLinked && (world.carries?.(upstream, replica) ?? true);
  }

  private later(run: () => void, evenIfClosed = false): void {
    const { network, clock } = this.replica.world;
    const from = this.upstream.site.machine.address;
    clock.after(network.latencyMs(from, this.replica.site.machine.address), () => {
      if (evenIfClosed || this.state !== "closed") run();
    });
  }
}
