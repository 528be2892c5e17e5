/**
 * The way of each socket of one follower: from the connector's hands until it is closed or dropped.
 *
 * Guarantees: commands are let through only while ioredis has built the connection up, it leads to
 * where the route points, and no change is announced; when a socket closes, what was written is
 * settled before ioredis hears of it. The commands themselves go their own way (command-path.ts).
 */
import type { Command, Redis } from "ioredis";
import type { Socket } from "node:net";
import { CommandPath } from "./command-path.ts";
import type { FollowerLink, FollowerOptions } from "./follower-link.ts";
import { Heartbeat, type Base } from "./heartbeat.ts";
import type { Destination, LeaderConnector } from "./leader-connector.ts";
import type * as messages from "./messages.ts";
import { SubscriptionGap } from "./subscription-gap.ts";
import type { NodeProof } from "./types.ts";
import { Watchdog } from "./watchdog.ts";

/** One connection, from the connector's hands on. */
export interface Connected {
  readonly destination: Destination;
  readonly proof: NodeProof;
  readonly sinceMs: number;
}

/**
 * What a leader holds back during a planned change, it answers 250 ms after the hand-over at the
 * latest (LONGEST_HOLD_MS of the sidecar; a test of the repository compares the two): before that a
 * write that it holds would be called unknown.
 */
const PLANNED_DRAIN_MS = 300;

export class FollowerCore {
  readonly redis: Redis;
  readonly link: FollowerLink;
  readonly own: FollowerOptions;
  readonly base: Base;
  readonly source: LeaderConnector;
  readonly path: CommandPath;
  readonly #watchdog: Watchdog;
  readonly #heartbeat: Heartbeat;
  readonly #gap = new SubscriptionGap();
  #isClosing = false;
  /** Its owner has let it go: that tells nothing about the leader. */
  #isLeft = false;
  /** ioredis has built this connection up, and sends nothing more by itself. */
  isRestored = false;
  #holdTimer: NodeJS.Timeout | undefined;
  /** Until then a change of leader is the planned one. */
  #announcedUntilMs = -Infinity;
  #ageTimer: NodeJS.Timeout | undefined;
  #at: Connected | null = null;
  /** Null: it is connected, or never was. */
  lostAtMs: number | null = null;
  #lostBecause = "";
  #stopListening: (() => void) | null = null;

  constructor(redis: Redis, base: Base, parts: CoreParts) {
    const { link, own, source } = parts;
    this.redis = redis;
    this.base = base;
    this.link = link;
    this.own = own;
    this.source = source;
    this.path = new CommandPath(this);
    this.#heartbeat = new Heartbeat({
      base,
      events: link.events,
      options: own.operation,
      node: () => this.name ?? "",
      sent: (nowMs) => this.busy(nowMs),
      answered: (rttMs) => this.#at && link.answered(this.#at, rttMs),
    });
    this.#watchdog = new Watchdog(
      {
        head: () => (redis.commandQueue.peekFront()?.command as Command | undefined) ?? null,
        isReady: () => redis.status === "ready",
        heartbeat: () => this.#heartbeat.send(),
        silent: (why) => this.drop(why),
      },
      own.watchdog,
    );
    redis.on("error", (error: Error) => link.events.connectionError(error));
    redis.on("ready", () => this.#becameReady());
    redis.on("end", () => this.#finish());
  }

  /** Which node it is connected to; null: none. */
  get node(): Connected | null {
    return this.redis.status === "ready" ? this.#at : null;
  }

  /** Of the node that it is, or was last, connected to; null: it never was. */
  get name(): string | null {
    return this.#at?.destination.name ?? null;
  }

  disconnect(reconnect: boolean): void {
    this.#isLeft = !reconnect;
    this.path.close();
    this.base.disconnect(reconnect);
    // ioredis waits for a close that has been already.
    if (!reconnect && this.redis.status === "reconnecting") this.#finish();
  }

  /** Takes nothing more. True while something is under way. */
  finishUp(): boolean {
    this.#isClosing = true;
    const isBusy = this.path.finishUp();
    return isBusy && this.redis.status === "ready";
  }

  /** INFO of what it is connected to, past the queue. Rejects when the connection is lost. */
  async info(section: string): Promise<string> {
    return String(await this.#heartbeat.ask("info", section));
  }

  /** By a question past the queue that no transaction or subscription forbids. */
  get canBeAsked(): boolean {
    return this.node !== null && this.redis.mode !== "subscriber" && !this.path.isSessionOpen;
  }

  /** What it says that it is; null: nothing within that time. Never rejects. */
  role(timeoutMs: number): Promise<unknown> {
    return this.#heartbeat.role(timeoutMs);
  }

  /** A transaction is over: what it left watched or open is dropped with its connection. */
  resetSession(): void {
    if (this.path.isSessionOpen) this.drop("a transaction was left open");
  }

  surroundings(): messages.Surroundings {
    const lostForMs = this.lostAtMs === null ? null : performance.now() - this.lostAtMs;
    const last = this.link.lastLeader(this.#at?.destination ?? null);
    return { ...last, lostForMs, lostBecause: this.#lostBecause, trouble: this.source.trouble };
  }

  translate(error: Error): Error {
    return this.own.translate(error);
  }

  closeGate(): void {
    this.path.close();
  }

  busy(nowMs: number): void {
    this.#watchdog.busy(nowMs);
  }

  /** Cuts the socket: what has no reply by now is settled without one. */
  drop(why: string): void {
    this.path.close();
    this.#lostBecause = why;
    this.source.cut();
  }

  /** Before ioredis knows of the socket: its listeners come first. */
  connected(socket: Socket, destination: Destination, proof: NodeProof): void {
    this.#at = { destination, proof, sinceMs: performance.now() };
    this.redis.options.host = destination.host;
    this.redis.options.port = destination.port;
    this.isRestored = false;
    this.path.moved();
    this.link.opened(this);
    this.#stopListening ??= this.link.route.onChange(() => this.#routeChanged());
    socket.on("data", this.#heard);
    socket.pause();
    socket.once("close", () => this.#socketClosed());
    this.#watchdog.start();
  }

  /** A planned change is about to come: nothing more is written until it has, or has not. */
  hold(deadlineMs: number): void {
    this.#announcedUntilMs = performance.now() + deadlineMs;
    if (this.redis.status === "ready" && this.own.followsLeader) this.#pause(deadlineMs);
  }

  #pause(pauseMs: number): void {
    this.path.close();
    clearTimeout(this.#holdTimer);
    this.#holdTimer = setTimeout(() => {
      const isStill = this.redis.status === "ready" && !this.path.settlement.isDraining;
      if (isStill && !this.#isElsewhere()) this.path.open();
    }, pauseMs);
  }

  readonly #heard = (): void => this.#watchdog.heard();

  #socketClosed(): void {
    this.#stopTimers();
    if (this.redis.status === "ready") {
      this.path.database.remember();
      this.#gap.begin(this.redis.condition, this.#watchdog.heardAtMs);
    }
    this.lostAtMs = performance.now();
    if (this.#lostBecause === "") this.#lostBecause = "the connection was closed";
    this.path.lost();
    if (this.#isClosing || this.#isLeft) return;
    this.link.events.lost(this.#lostBecause, this.surroundings().lastLeader);
    this.link.route.failed("unreachable");
  }

  #becameReady(): void {
    if (this.redis.status !== "ready") return;
    this.isRestored = true;
    this.#lostBecause = "";
    this.lostAtMs = null;
    if (this.#isElsewhere()) {
      this.drop("leader changed");
      return;
    }
    if (this.own.followsLeader) this.link.events.connected();
    this.link.events.ready(() => this.#heartbeat.ping());
    this.#age();
    this.#gap.end(() => this.#heartbeat.ping(), this.link.events);
    const pauseMs = this.path.settlement.pauseMs();
    if (pauseMs === 0) this.path.open();
    else this.#pause(pauseMs);
  }

  /** Through a Service it would stay with one pod for ever, however many there are by then. */
  #age(): void {
    const { maxAgeMs } = this.own;
    if (maxAgeMs === null || !this.#at?.destination.isShared) return;
    const renew = (): void => {
      this.path.settlement.drainThen(() => this.drop("it has reached readerMaxAgeMs"));
    };
    this.#ageTimer = setTimeout(renew, maxAgeMs * (0.9 + 0.2 * this.link.draw()));
    this.#ageTimer.unref();
  }

  #stopTimers(): void {
    this.#watchdog.stop();
    clearTimeout(this.#holdTimer);
    clearTimeout(this.#ageTimer);
  }

  #finish(): void {
    this.#stopListening?.();
    this.#stopListening = null;
    this.#stopTimers();
    this.link.closed(this);
    if (this.redis.status !== "end") {
      this.redis.status = "end";
      process.nextTick(() => this.redis.emit("end"));
    }
    this.path.end();
  }

  #isElsewhere(): boolean {
    const destination = this.link.route.destination();
    return (
      this.#at !== null && destination !== null && destination.tag !== this.#at.destination.tag
    );
  }

  #routeChanged(): void {
    const destination = this.link.route.destination();
    const isHere = destination?.tag === this.#at?.destination.tag;
    if (this.redis.status !== "ready" || isHere) return;
    const why = destination ? `leader changed to ${destination.name}` : "nobody leads now";
    this.#lostBecause = why;
    clearTimeout(this.#holdTimer);
    const { drainMs } = this.own;
    const isPlanned = this.own.followsLeader && performance.now() < this.#announcedUntilMs;
    const waitMs = isPlanned ? Math.max(drainMs, PLANNED_DRAIN_MS) : drainMs;
    this.path.settlement.drainThen(() => this.drop(why), waitMs);
  }
}

export interface CoreParts {
  readonly link: FollowerLink;
  readonly own: FollowerOptions;
  readonly source: LeaderConnector;
}
