/**
 * One Redis process, as far as roles, replication and the acceptance of writes go.
 *
 * Modelled on the source and on measurements of 7.0: a server keeps its replicas when it becomes
 * a replica itself (so rings are possible); a replica without a link answers PSYNC with
 * NOMASTERLINK; a full sync clears the second replid; a server without a backlog counts no bytes
 * and takes a new replid when its first replica comes; a pause holds the stream of its own master.
 * What a stopped process was sent is executed when it goes on, each connection in order, the
 * connections among themselves in any order.
 */
import type { RedisAddress, RedisInfo } from "@leasehold/replication";
import {
  append,
  emptyPoint,
  pointAt,
  type Point,
  recounted,
  samePoint,
  writesIn,
} from "./history.ts";
import { Follower } from "./follower.ts";
import type { ReplicaLink } from "./link.ts";
import type { Connection, RedisSite, RedisWorld, WriteRequest } from "./types.ts";
import type { BootImage, Snapshot } from "./volume.ts";
import { Writes } from "./writes.ts";

const PING_BYTES = 14;
const PING_INTERVAL_MS = 10_000;
/** A process that goes on has read all its sockets by then (event loop, I/O threads). */
const SOCKETS_MS = 3;

export class RedisServer {
  readonly world: RedisWorld;
  readonly site: RedisSite;
  readonly runId: string;
  readonly pid: number;
  alive = true;
  stopped = false;
  loading = true;
  role: "primary" | "replica" = "replica";
  head: Point = emptyPoint();
  offset = 0;
  replid: string;
  replid2: string | null = null;
  secondOffset = -1;
  minReplicas = 0;
  /** Bytes that a partition had held up: what it had before they came, and when. */
  cameLate: { readonly before: Point; readonly atMs: number } | null = null;
  /** Until then a script runs; the first second of it nothing is answered at all. */
  scriptUntilMs = 0;
  readonly links = new Set<ReplicaLink>();
  readonly connections = new Set<Connection>();
  readonly follower: Follower;
  readonly writes: Writes;
  private scriptSilentUntilMs = 0;
  private psyncable = false;
  private backlogStart: number | null = null;
  private rewriteUntilMs = 0;
  private shuttingDown = false;
  private readonly queues = new Map<Connection | null, (() => void)[]>();

  constructor(world: RedisWorld, site: RedisSite, boot: { image: BootImage; pid: number }) {
    this.world = world;
    this.site = site;
    this.pid = boot.pid;
    this.runId = world.random.hex(10);
    this.replid = boot.image.replid;
    this.follower = new Follower(this);
    this.writes = new Writes(this);
    const delayMs = writesIn(boot.image.head) > 0 ? world.options.loadMs : 5;
    world.clock.after(delayMs, () => this.loadedAtBoot(boot.image));
    world.clock.after(world.random.between(0, PING_INTERVAL_MS), () => this.ping());
    if (site.volume.mode === "rdb") this.scheduleSnapshot();
  }

  /** Executes commands now. */
  isRunning(): boolean {
    const { site } = this;
    return this.alive && !this.stopped && !site.frozen && !site.machine.frozen;
  }

  isPaused(): boolean {
    return this.writes.isPaused() || this.shuttingDown;
  }

  isBusy(): boolean {
    return this.scriptUntilMs > this.world.clock.nowMs;
  }

  /** A write that arrived now would be accepted. */
  isWritable(): boolean {
    return this.isRunning() && !this.loading && this.role === "primary" && !this.isPaused();
  }

  get link(): ReplicaLink | null {
    return this.follower.link;
  }

  get upstream(): RedisAddress | null {
    return this.follower.upstream;
  }

  get isLinkUp(): boolean {
    return this.follower.isLinkUp;
  }

  get attachedReplicas(): number {
    let count = 0;
    for (const link of this.links) if (link.state === "up") count += 1;
    return count;
  }

  /** A full sync is under way. */
  get isSyncing(): boolean {
    return this.link?.state === "transfer";
  }

  info(): RedisInfo {
    return {
      runId: this.runId,
      pid: this.pid,
      role: this.role,
      replid: this.replid,
      replid2: this.replid2,
      secondOffset: this.secondOffset,
      offset: this.offset,
      keys: writesIn(this.head),
      loading: this.loading,
      upstream: this.upstream,
      linkUp: this.isLinkUp,
      syncing: this.isSyncing,
      // After a full sync its data is not in the AOF yet.
      rewriting: this.rewriteUntilMs > this.world.clock.nowMs,
      connectedReplicas: this.links.size,
      diskOk: true,
      refusedWrites: this.writes.refused,
      version: "7.0.15",
      usage: null,
    };
  }

  /** Runs a command of a connection as soon as the process runs. Dead: never. */
  submit(connection: Connection | null, run: () => void): void {
    if (!this.alive || connection?.isCut) return;
    const waiting = this.queues.get(connection);
    if (waiting !== undefined) waiting.push(run);
    else if (this.isRunning() && this.scriptSilentUntilMs <= this.world.clock.nowMs) run();
    else this.queues.set(connection, [run]);
  }

  /** To be called whenever the process may go on. Which socket is read first is anybody's guess. */
  resumed(): void {
    if (!this.isRunning()) return;
    this.world.judge.redisChanged(this);
    for (const connection of this.queues.keys()) {
      this.world.clock.after(this.world.random.between(0, SOCKETS_MS), () => this.read(connection));
    }
    for (const link of this.links) link.kick();
  }

  private read(connection: Connection | null): void {
    if (!this.isRunning()) return;
    const waiting = this.queues.get(connection) ?? [];
    this.queues.delete(connection);
    for (const run of waiting) if (this.alive && !connection?.isCut) run();
  }

  /** In the first second of a script. */
  isMute(): boolean {
    return this.scriptSilentUntilMs > this.world.clock.nowMs;
  }

  /** A script that runs for `lengthMs` and writes at its end. */
  runScript(lengthMs: number, write: WriteRequest): void {
    const { clock } = this.world;
    this.scriptUntilMs = clock.nowMs + lengthMs;
    this.scriptSilentUntilMs = clock.nowMs + Math.min(lengthMs, 1_000);
    clock.after(Math.min(lengthMs, 1_000), () => this.resumed());
    clock.after(lengthMs, () => {
      this.scriptUntilMs = 0;
      this.submit(null, () => this.writes.put(write));
    });
  }

  appendEntry(bytes: number, isWrite: boolean): void {
    const counted = this.backlogStart === null ? 0 : bytes;
    if (counted === 0 && !isWrite) return;
    this.head = append(this.head, this.offset, { bytes: counted, isWrite });
    this.offset += counted;
    this.changed();
  }

  private changed(): void {
    if (this.rewriteUntilMs <= this.world.clock.nowMs) {
      this.site.volume.appended(this.head, this.world.clock.nowMs);
    }
    for (const link of this.links) link.kick();
  }

  private ping(): void {
    if (!this.alive) return;
    if (this.isRunning() && this.role === "primary" && this.links.size > 0) {
      this.appendEntry(PING_BYTES, false);
    }
    this.world.clock.after(PING_INTERVAL_MS, () => this.ping());
  }

  /** `REPLICAOF NO ONE`. */
  promote(): void {
    if (this.role === "primary") return;
    this.follower.stop();
    this.follower.upstream = null;
    this.role = "primary";
    this.writes.hasAccepted = false;
    this.replid2 = this.replid;
    this.secondOffset = this.offset + 1;
    this.replid = this.world.random.hex(12);
    this.disconnectReplicas();
    this.world.judge.redisChanged(this);
  }

  /** `REPLICAOF host port`. Its own replicas stay. */
  follow(upstream: RedisAddress): void {
    if (this.follower.isFollowing(upstream)) return;
    this.follower.stop();
    if (this.role === "primary") {
      this.role = "replica";
      this.psyncable = true;
      this.writes.demoted();
      this.world.judge.redisChanged(this);
    }
    this.follower.follow(upstream);
  }

  /** `CLIENT KILL TYPE normal` and `pubsub`, except `spare`; or of some alone. */
  cutClients(spare: Connection | null, clients: Iterable<Connection> = this.connections): void {
    for (const connection of clients) {
      if (connection === spare) continue;
      this.writes.connectionCut(connection);
      this.closeConnection(connection);
    }
  }

  private closeConnection(connection: Connection): void {
    this.connections.delete(connection);
    connection.isCut = true;
    const from = this.site.machine.address;
    this.world.network.send(from, connection.address, () => connection.closed());
  }

  linkContinues(replid: string): void {
    this.backlogStart ??= this.offset;
    if (replid === this.replid) return;
    this.replid2 = this.replid;
    this.secondOffset = this.offset + 1;
    this.replid = replid;
    this.disconnectReplicas();
  }

  applyStream(head: Point, offset: number): void {
    this.head = head;
    this.offset = offset;
    this.changed();
  }

  dropBacklog(): void {
    this.backlogStart = null;
  }

  /** What a full sync brought is loaded. */
  adopt(snapshot: Snapshot): void {
    this.head = snapshot.head;
    this.offset = snapshot.offset;
    this.replid = snapshot.replid;
    this.replid2 = null;
    this.secondOffset = -1;
    this.psyncable = true;
    this.backlogStart = snapshot.offset;
    this.startRewrite();
  }

  /** After a full sync the old AOF stays in force until its rewrite has ended. */
  private startRewrite(): void {
    if (this.site.volume.mode !== "aof") return;
    const { clock, options } = this.world;
    this.rewriteUntilMs = clock.nowMs + options.loadMs;
    clock.after(options.loadMs, () => {
      if (!this.alive || this.rewriteUntilMs > clock.nowMs) return;
      this.site.volume.appended(this.head, clock.nowMs);
    });
  }

  psync(link: ReplicaLink): void {
    if (link.state !== "handshake") return;
    const isUnlinked = this.role === "replica" && !this.isLinkUp;
    if (this.loading || isUnlinked) {
      link.refuse();
      return;
    }
    const { replica } = link;
    if (this.canContinue(replica)) {
      const at = pointAt(this.head, replica.offset);
      if (at === null || !samePoint(at, replica.head)) this.world.judge.diverged(replica, this);
      link.continueFrom(at ?? replica.head);
      return;
    }
    this.ensureBacklog();
    link.transfer({ head: this.head, offset: this.offset, replid: this.replid });
  }

  /** A server without a backlog takes a new replid with its new backlog. */
  ensureBacklog(): void {
    if (this.backlogStart !== null) return;
    this.replid = this.world.random.hex(12);
    this.replid2 = null;
    this.secondOffset = -1;
    this.backlogStart = this.offset;
    this.world.judge.replidChanged(this);
  }

  get hasBacklog(): boolean {
    return this.backlogStart !== null;
  }

  private canContinue(replica: RedisServer): boolean {
    if (!replica.psyncable || this.backlogStart === null) return false;
    const isFirst = replica.replid === this.replid;
    const isSecond = replica.replid === this.replid2 && replica.offset + 1 <= this.secondOffset;
    const oldest = Math.max(this.backlogStart, this.offset - this.world.options.backlogBytes);
    return (isFirst || isSecond) && replica.offset >= oldest && replica.offset <= this.offset;
  }

  disconnectReplicas(): void {
    for (const link of [...this.links]) link.close();
  }

  private loadedAtBoot(image: BootImage): void {
    if (!this.alive) return;
    this.loading = false;
    this.head = recounted(image.head, image.offset);
    this.offset = image.offset;
    this.psyncable = image.psyncable;
    this.world.judge.redisChanged(this);
    if (this.upstream !== null && this.link === null) this.follower.connect();
  }

  private scheduleSnapshot(): void {
    const { clock, options } = this.world;
    clock.after(options.snapshotMs, () => {
      if (!this.alive) return;
      if (this.isRunning() && !this.loading) this.site.volume.saveSnapshot(this.snapshot());
      this.scheduleSnapshot();
    });
  }

  snapshot(): Snapshot {
    return { head: this.head, offset: this.offset, replid: this.replid };
  }

  /** SIGTERM: waits for its replicas, saves, ends. */
  shutdown(waitMs: number): void {
    if (!this.alive) return;
    this.shuttingDown = true;
    this.world.judge.redisChanged(this);
    const untilMs = this.world.clock.nowMs + waitMs;
    const step = (): void => {
      if (!this.alive) return;
      const lags = [...this.links].some(
        (link) => link.state === "up" && link.replica.offset < this.offset,
      );
      if ((lags || !this.isRunning()) && this.world.clock.nowMs < untilMs) {
        this.world.clock.after(20, step);
        return;
      }
      if (!this.loading && this.rewriteUntilMs <= this.world.clock.nowMs) {
        this.site.volume.persisted(this.snapshot());
      }
      this.end("exit");
    };
    this.world.clock.after(20, step);
  }

  /** The process ends. `power`: nobody hears of it. */
  end(cause: "exit" | "kill" | "power"): void {
    if (!this.alive) return;
    this.alive = false;
    this.queues.clear();
    this.writes.ended();
    this.follower.stop();
    for (const link of [...this.links]) {
      if (cause === "power") link.silence();
      else link.close();
    }
    for (const connection of [...this.connections]) {
      if (cause !== "power") this.closeConnection(connection);
    }
    this.world.judge.redisChanged(this);
    if (cause !== "power") this.site.redisEnded(this, cause);
  }
}
