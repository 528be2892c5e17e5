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
import type { Timer } from "../../virtual-clock.ts";
import {
  append,
  emptyPoint,
  pointAt,
  type Point,
  recounted,
  samePoint,
  writesIn,
} from "./history.ts";
import { ReplicaLink } from "./link.ts";
import type { Connection, RedisSite, RedisWorld, WriteRequest } from "./types.ts";
import type { BootImage, Snapshot } from "./volume.ts";

const PING_BYTES = 14;
const PING_INTERVAL_MS = 10_000;
const GETACK_BYTES = 37;
const CRON_MS = 1_000;
const GATE_PORT = 1;

interface Waiter {
  readonly offset: number;
  readonly answer: (count: number | null) => void;
}

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
  /** It has accepted a write since it was promoted. */
  hasAccepted = false;
  upstream: RedisAddress | null = { host: "127.0.0.1", port: GATE_PORT };
  link: ReplicaLink | null = null;
  /** Until then a script runs; the first second of it nothing is answered at all. */
  scriptUntilMs = 0;
  readonly links = new Set<ReplicaLink>();
  readonly connections = new Set<Connection>();
  private scriptSilentUntilMs = 0;
  private pausedUntilMs = 0;
  private pauseTimer: Timer | null = null;
  private psyncable = false;
  private backlogStart: number | null = null;
  private rewriteUntilMs = 0;
  private shuttingDown = false;
  private connectAttempt = 0;
  private held: WriteRequest[] = [];
  private waiters: Waiter[] = [];
  private queue: { connection: Connection | null; run: () => void }[] = [];
  private readonly cronPhaseMs: number;

  constructor(world: RedisWorld, site: RedisSite, boot: { image: BootImage; pid: number }) {
    this.world = world;
    this.site = site;
    this.pid = boot.pid;
    this.runId = world.random.hex(10);
    this.replid = boot.image.replid;
    this.cronPhaseMs = world.random.between(0, CRON_MS);
    const { loadMs } = world.options;
    const delayMs = writesIn(boot.image.head) > 0 ? loadMs : 5;
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
    return this.pausedUntilMs > this.world.clock.nowMs || this.shuttingDown;
  }

  isBusy(): boolean {
    return this.scriptUntilMs > this.world.clock.nowMs;
  }

  /** A write that arrived now would be accepted. */
  isWritable(): boolean {
    return this.isRunning() && !this.loading && this.role === "primary" && !this.isPaused();
  }

  get hasWaiters(): boolean {
    return this.waiters.length > 0;
  }

  get isLinkUp(): boolean {
    return this.link?.state === "up";
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
      version: "7.0.15",
    };
  }

  /** Runs a command of a connection as soon as the process runs. Dead: never. */
  submit(connection: Connection | null, run: () => void): void {
    if (!this.alive || connection?.isCut) return;
    const isSilent = this.scriptSilentUntilMs > this.world.clock.nowMs;
    if (this.isRunning() && !isSilent && this.queue.length === 0) run();
    else this.queue.push({ connection, run });
  }

  /** To be called whenever the process may go on. */
  resumed(): void {
    if (!this.isRunning()) return;
    this.world.judge.redisChanged(this);
    while (this.queue.length > 0 && this.isRunning()) {
      const first = this.world.random.pick(this.queue).connection;
      const index = this.queue.findIndex((item) => item.connection === first);
      const [item] = this.queue.splice(index, 1);
      if (!item?.connection?.isCut) item?.run();
    }
    for (const link of this.links) link.kick();
  }

  /** A script that runs for `lengthMs` and writes at its end. */
  runScript(lengthMs: number, write: WriteRequest): void {
    const { clock } = this.world;
    this.scriptUntilMs = clock.nowMs + lengthMs;
    this.scriptSilentUntilMs = clock.nowMs + Math.min(lengthMs, 1_000);
    clock.after(Math.min(lengthMs, 1_000), () => this.resumed());
    clock.after(lengthMs, () => {
      this.scriptUntilMs = 0;
      this.submit(null, () => this.write(write));
    });
  }

  // Writes ---------------------------------------------------------------------------------

  write(request: WriteRequest): void {
    if (this.loading) return request.answer({ error: "LOADING" });
    if (this.isBusy()) return request.answer({ error: "BUSY" });
    if (this.role === "replica") return request.answer({ error: "READONLY" });
    if (this.isPaused()) {
      this.held.push(request);
      return;
    }
    if (this.links.size < this.minReplicas && this.attached < this.minReplicas) {
      return request.answer({ error: "NOREPLICAS" });
    }
    this.hasAccepted = true;
    this.appendEntry(request.bytes, true);
    this.world.judge.accepted(this, request);
    if (request.waitMs === 0) request.answer({ error: null, copies: 0 });
    else this.wait(request);
  }

  acknowledged(_by: RedisServer): void {
    const done = this.waiters.filter((waiter) => this.copiesAt(waiter.offset) > 0);
    if (done.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => !done.includes(waiter));
    for (const waiter of done) waiter.answer(this.copiesAt(waiter.offset));
  }

  private wait(request: WriteRequest): void {
    const waiter: Waiter = {
      offset: this.offset,
      answer: (count) => {
        this.waiters = this.waiters.filter((other) => other !== waiter);
        if (count === null) request.answer({ error: "UNBLOCKED" });
        else request.answer({ error: null, copies: count });
      },
    };
    this.waiters.push(waiter);
    if (!this.isPaused()) this.appendEntry(GETACK_BYTES, false);
    this.world.clock.after(request.waitMs, () => {
      if (this.alive && this.waiters.includes(waiter)) waiter.answer(0);
    });
  }

  private copiesAt(offset: number): number {
    let copies = 0;
    for (const link of this.links) if (link.ackedOffset >= offset) copies += 1;
    return copies;
  }

  private get attached(): number {
    let count = 0;
    for (const link of this.links) if (link.state === "up") count += 1;
    return count;
  }

  private appendEntry(bytes: number, isWrite: boolean): void {
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

  // Role commands ----------------------------------------------------------------------------

  /** `REPLICAOF NO ONE`. */
  promote(): void {
    if (this.role === "primary") return;
    this.dropLink();
    this.role = "primary";
    this.hasAccepted = false;
    this.upstream = null;
    this.replid2 = this.replid;
    this.secondOffset = this.offset + 1;
    this.replid = this.world.random.hex(12);
    this.disconnectReplicas();
    this.world.judge.redisChanged(this);
  }

  /** `REPLICAOF host port`. */
  follow(upstream: RedisAddress): void {
    const current = this.upstream;
    if (current?.host === upstream.host && current.port === upstream.port) return;
    this.dropLink();
    if (this.role === "primary") {
      this.role = "replica";
      this.psyncable = true;
      for (const waiter of [...this.waiters]) waiter.answer(null);
      this.world.judge.redisChanged(this);
    }
    this.upstream = upstream;
    this.connect();
  }

  /** `CLIENT PAUSE <ms> WRITE`: can only be extended. */
  pause(pauseMs: number): void {
    const untilMs = this.world.clock.nowMs + pauseMs;
    if (untilMs <= this.pausedUntilMs) return;
    this.pausedUntilMs = untilMs;
    this.world.clock.cancel(this.pauseTimer);
    this.pauseTimer = this.world.clock.after(pauseMs, () => this.unpause());
    this.world.judge.redisChanged(this);
    this.world.judge.paused(this);
  }

  unpause(): void {
    this.pausedUntilMs = 0;
    this.world.clock.cancel(this.pauseTimer);
    this.pauseTimer = null;
    if (!this.alive) return;
    this.world.judge.redisChanged(this);
    const { held } = this;
    this.held = [];
    for (const request of held) this.submit(null, () => this.write(request));
  }

  /** `CLIENT KILL TYPE normal` and `pubsub`, except `spare`. */
  cutClients(spare: Connection | null): void {
    for (const connection of this.connections) {
      if (connection === spare) continue;
      this.held = this.held.filter((request) => request.connection !== connection);
      this.closeConnection(connection);
    }
  }

  private closeConnection(connection: Connection): void {
    this.connections.delete(connection);
    connection.isCut = true;
    const from = this.site.machine.address;
    this.world.network.send(from, connection.address, () => connection.closed());
  }

  // As a replica -------------------------------------------------------------------------------

  /** Connects to the upstream, now. Also what a lost link and each refused second do. */
  private connect(): void {
    this.connectAttempt += 1;
    const attempt = this.connectAttempt;
    const { upstream, world } = this;
    if (upstream === null || upstream.port === GATE_PORT) return;
    const peer = world.redisAt(upstream.host);
    const here = this.site.machine.address;
    if (peer === null || !world.network.isLinked(here, peer.site.machine.address)) {
      this.connectLater();
      return;
    }
    world.clock.after(world.network.latencyMs(here, peer.site.machine.address), () => {
      if (attempt !== this.connectAttempt || !this.alive || this.link !== null) return;
      if (!peer.alive) {
        this.connectLater();
        return;
      }
      const link = new ReplicaLink(peer, this);
      this.link = link;
      peer.submit(null, () => peer.psync(link));
    });
  }

  /** At the next turn of the server's own second. */
  private connectLater(): void {
    const attempt = this.connectAttempt;
    const sinceMs = (this.world.clock.nowMs - this.cronPhaseMs) % CRON_MS;
    this.world.clock.after(CRON_MS - sinceMs, () => {
      if (attempt !== this.connectAttempt || !this.alive || this.link !== null) return;
      this.connect();
    });
  }

  linkRefused(link: ReplicaLink): void {
    if (this.link !== link) return;
    this.link = null;
    this.connectLater();
  }

  linkLost(link: ReplicaLink): void {
    if (this.link !== link) return;
    this.link = null;
    if (this.alive && !this.loading) this.connect();
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

  /** Flushes, and loads what the upstream sent. */
  load(snapshot: Snapshot, link: ReplicaLink): void {
    this.loading = true;
    this.disconnectReplicas();
    this.backlogStart = null;
    this.head = emptyPoint(snapshot.offset);
    this.site.volume.saveSnapshot(snapshot);
    this.world.judge.fullSync(this, link.upstream);
    this.world.clock.after(this.world.options.loadMs, () => this.loadedSync(snapshot, link));
  }

  private loadedSync(snapshot: Snapshot, link: ReplicaLink): void {
    if (!this.alive) return;
    if (!this.isRunning()) {
      this.world.clock.after(CRON_MS / 20, () => this.loadedSync(snapshot, link));
      return;
    }
    this.loading = false;
    this.head = snapshot.head;
    this.offset = snapshot.offset;
    this.replid = snapshot.replid;
    this.replid2 = null;
    this.secondOffset = -1;
    this.psyncable = true;
    this.backlogStart = snapshot.offset;
    this.startRewrite();
    if (this.link === link && link.state === "transfer") link.loaded(snapshot);
    else this.connect();
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

  private dropLink(): void {
    this.connectAttempt += 1;
    this.link?.drop();
    this.link = null;
  }

  // As an upstream -----------------------------------------------------------------------------

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

  private disconnectReplicas(): void {
    for (const link of [...this.links]) link.close();
  }

  // Life ---------------------------------------------------------------------------------------

  private loadedAtBoot(image: BootImage): void {
    if (!this.alive) return;
    this.loading = false;
    this.head = recounted(image.head, image.offset);
    this.offset = image.offset;
    this.psyncable = image.psyncable;
    this.world.judge.redisChanged(this);
    if (this.upstream !== null && this.link === null) this.connect();
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
    this.queue = [];
    this.waiters = [];
    this.held = [];
    this.world.clock.cancel(this.pauseTimer);
    this.dropLink();
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
