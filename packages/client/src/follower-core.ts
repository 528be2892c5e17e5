/**
 * The way of each command and of each socket of one follower.
 *
 * Guarantees: a command is written only to a socket that its connector has verified; nothing waits
 * inside ioredis, so nothing is sent behind this class's back; when a socket closes, every written
 * command is settled or, where that can do no harm, sent again, in the order of the calls.
 */
import type { Command, Redis } from "ioredis";
import type { Socket } from "node:net";
import {
  isPending,
  note,
  noteFor,
  noteOf,
  patient,
  skip,
  type Note,
  type Operation,
  type ResolvedOptions,
  type Stream,
} from "./operation.ts";
import { Gate } from "./gate.ts";
import type { Destination, LeaderConnector } from "./leader-connector.ts";
import { shortenSince } from "./command.ts";
import { refusalOf, waitingRefusalOf } from "./refusal.ts";
import { isIoredisOwn, RESUBSCRIBE } from "./ioredis-own.ts";
import { Database } from "./database.ts";
import { Heartbeat, type Base } from "./heartbeat.ts";
import * as messages from "./messages.ts";
import { rejectionOf } from "./outcome.ts";
import { Session } from "./session.ts";
import { Settlement } from "./settlement.ts";
import { SubscriptionGap } from "./subscription-gap.ts";
import { Watchdog } from "./watchdog.ts";
import { watchOperation } from "./cancellation.ts";
import type { FollowerLink, FollowerOptions } from "./follower-link.ts";
import type { NodeProof } from "./types.ts";

export class FollowerCore {
  readonly redis: Redis;
  readonly link: FollowerLink;
  readonly own: FollowerOptions;
  private readonly base: Base;
  readonly source: LeaderConnector;
  private readonly gate: Gate;
  private readonly session = new Session();
  private readonly settlement: Settlement;
  private readonly watchdog: Watchdog;
  /** Commands go straight through. */
  private isOpen = false;
  private isClosing = false;
  private isLeft = false;
  /** ioredis has built this connection up, and sends nothing more by itself. */
  isRestored = false;
  private holdTimer: NodeJS.Timeout | undefined;
  private at: { readonly destination: Destination; readonly proof: NodeProof } | null = null;
  /** Null: it is connected, or never was. */
  lostAtMs: number | null = null;
  private lostBecause = "";
  readonly database: Database;
  private readonly heartbeat: Heartbeat;
  private readonly gap = new SubscriptionGap();
  private stopListening: (() => void) | null = null;

  constructor(redis: Redis, base: Base, parts: CoreParts) {
    const { link, own, source } = parts;
    this.redis = redis;
    this.base = base;
    this.link = link;
    this.own = own;
    this.source = source;
    this.database = new Database(redis, (command) => this.sendOwn(command));
    this.gate = new Gate({ expired: (operation) => this.expired(operation) });
    this.settlement = new Settlement(this);
    this.heartbeat = new Heartbeat({
      base,
      events: link.events,
      options: own.operation,
      node: () => this.at?.destination.name ?? "",
      sent: (nowMs) => this.watchdog.busy(nowMs),
    });
    this.watchdog = new Watchdog(
      {
        head: () => (redis.commandQueue.peekFront()?.command as Command | undefined) ?? null,
        isReady: () => redis.status === "ready",
        heartbeat: () => this.heartbeat.send(),
        silent: (why) => this.drop(why),
      },
      own.watchdog,
    );
    redis.on("error", (error: Error) => link.events.connectionError(error));
    redis.on("ready", () => this.becameReady());
    redis.on("end", () => this.finish());
  }

  /** Which node it is connected to; null: none. */
  get node(): { readonly destination: Destination; readonly proof: NodeProof } | null {
    return this.redis.status === "ready" ? this.at : null;
  }

  /** The same under options of its own. */
  sendWith(command: Command, stream: Stream, options: ResolvedOptions): unknown {
    if (!stream && !this.isOpen && isIoredisOwn(command, this.redis, this)) {
      return this.sendOwn(command);
    }
    const refusal = this.refusal(command, options);
    if (refusal) return this.refuse(command, stream, refusal);
    if (this.isOpen && this.gate.size === 0 && this.canWrite()) {
      const noted = this.noteWritten(command, stream, options);
      watchOperation(command, options, this);
      return this.write(command, stream, noted.issuedAtMs);
    }
    return this.enqueue(command, stream, options);
  }

  answeredWithError(error: Error, command: Command, db: number): void {
    if (command.name.toLowerCase() === "exec") {
      const seen = this.session.execRefused(error);
      if (seen !== error) this.settlement.startDraining("the server leads no longer");
      command.reject(seen);
      return;
    }
    if (command.inTransaction) this.session.noteError(error);
    const code = noteOf(command)?.internal ? null : rejectionOf(error.message, command.name);
    if (code === null) {
      command.reject(error);
      return;
    }
    const { message } = error;
    const node = this.at?.destination.name ?? "it";
    this.settlement.rejected(command, error, { code, message, node, db });
  }

  disconnect(reconnect: boolean): void {
    this.isLeft = !reconnect;
    this.base.disconnect(reconnect);
    // ioredis waits for a close that has been already.
    if (!reconnect && this.redis.status === "reconnecting") this.finish();
  }

  /** Takes nothing more. True while something is under way. */
  finishUp(): boolean {
    this.isClosing = true;
    const isBusy = !this.redis.commandQueue.isEmpty() || this.gate.size > 0;
    return isBusy && this.redis.status === "ready";
  }

  /** A transaction is over: what it left watched or open is dropped with its connection. */
  resetSession(): void {
    if (this.session.isOpen) this.drop("a transaction was left open");
  }

  // ---- what the parts use ----

  surroundings(): messages.Surroundings {
    const lostForMs = this.lostAtMs === null ? null : performance.now() - this.lostAtMs;
    const last = this.link.lastLeader(this.at?.destination ?? null);
    const { lostBecause } = this;
    return { ...last, lostForMs, lostBecause, trouble: this.source.trouble };
  }

  translate(error: Error): Error {
    return this.own.translate(error);
  }

  /** Closes the gate; what is written keeps its place. */
  closeGate(): void {
    this.isOpen = false;
  }

  /** Cuts the socket: what has no reply by now is settled without one. */
  drop(why: string): void {
    this.isOpen = false;
    this.lostBecause = why;
    this.source.cut();
  }

  /** Takes an operation out that waits; false: it does not wait. */
  withdraw(command: Command): Operation | null {
    return this.gate.remove(command);
  }

  isHeld(command: Command): boolean {
    return this.settlement.isHeld(command);
  }

  // ---- the way of a command ----

  private refusal(command: Command, options: ResolvedOptions): Error | null {
    const { readOnly } = this.own;
    const isEnded = this.redis.status === "end" || this.isClosing;
    const isPlain = !isEnded && !readOnly && options.signal === null;
    return isPlain ? null : refusalOf(command, options, { isEnded, readOnly });
  }

  private canWrite(): boolean {
    return this.redis.status === "ready" && this.redis.stream?.writable;
  }

  /** The commands of a pipeline share one note: their loop is not interrupted. */
  private noteWritten(command: Command, stream: Stream, options: ResolvedOptions): Note {
    const last = stream ? this.redis.commandQueue.peekBack() : undefined;
    const shared = last?.stream === stream && last ? noteOf(last.command) : undefined;
    if (shared?.batch) {
      (shared.batch as Command[]).push(command);
      return note(command, shared);
    }
    return note(command, noteFor(options, { internal: false, batch: stream ? [command] : null }));
  }

  private write(command: Command, stream: Stream, nowMs: number): unknown {
    if (this.session.concerns(command)) {
      const refusal = this.session.refuse(command, stream);
      if (refusal) return this.refuse(command, stream, refusal);
      this.session.learn(command);
    }
    if (this.redis.commandQueue.isEmpty()) this.watchdog.busy(nowMs);
    const written = noteOf(command);
    if (written) written.writtenAtMs = nowMs;
    return this.base.send(command, stream);
  }

  private refuse(command: Command, stream: Stream, error: Error): unknown {
    this.settlement.refuse(command, error);
    skip(stream);
    return command.promise;
  }

  private enqueue(command: Command, stream: Stream, options: ResolvedOptions): unknown {
    if (this.redis.status === "wait") this.redis.connect().catch(() => {});
    const waiting = stream ? this.gate.batch(stream) : undefined;
    if (waiting) {
      waiting.commands.push(command);
      note(command, noteFor(options, { internal: false, batch: waiting.commands }));
      watchOperation(command, options, this);
      return command.promise;
    }
    // Nothing is written that it would have to wait for.
    if (command.name.toLowerCase() === "quit" && this.redis.status !== "ready") {
      this.disconnect(false);
      command.resolve(Buffer.from("OK"));
      return command.promise;
    }
    const room = { queued: this.gate.size, maxQueued: this.own.maxQueued };
    const refusal = waitingRefusalOf(command, stream, room);
    if (refusal) return this.refuse(command, stream, refusal);
    const commands = [command];
    const noted = noteFor(options, { internal: false, batch: stream ? commands : null });
    const { issuedAtMs } = note(command, noted);
    watchOperation(command, options, this);
    this.gate.push({ commands, stream, options, issuedAtMs, rejection: null, db: null });
    return command.promise;
  }

  private expired(operation: Operation): void {
    const waitedMs = performance.now() - operation.issuedAtMs;
    const unavailable = this.own.unavailable?.(waitedMs);
    const error = unavailable ?? messages.expired(operation, waitedMs, this.surroundings());
    this.refuseAll(operation, error);
  }

  /** Past the queue; never kept, and never sent again, unless it restores a subscription. */
  private sendOwn(command: Command): unknown {
    // ioredis forgets a subscription that is lost before it was confirmed.
    const isKept = RESUBSCRIBE.has(command.name);
    const options = isKept ? patient(this.own.operation) : this.own.operation;
    note(command, noteFor(options, { internal: !isKept, batch: null }));
    // ioredis listens to those of its handshake alone; one that is lost is nobody's loss.
    command.promise.catch(() => {});
    return this.base.send(command, undefined);
  }

  // ---- the way of a connection ----

  /** Before ioredis knows of the socket: its listeners come first. */
  connected(socket: Socket, destination: Destination, proof: NodeProof): void {
    this.at = { destination, proof };
    this.redis.options.host = destination.host;
    this.redis.options.port = destination.port;
    this.isRestored = false;
    this.session.moved();
    this.link.opened(this);
    this.stopListening ??= this.link.route.onChange(() => this.routeChanged());
    socket.on("data", this.heard);
    socket.pause();
    socket.once("close", () => this.socketClosed());
    this.watchdog.start();
  }

  private readonly heard = (): void => this.watchdog.heard();

  private socketClosed(): void {
    this.watchdog.stop();
    clearTimeout(this.holdTimer);
    if (this.redis.status === "ready") {
      this.database.lost();
      this.gap.begin(this.redis.condition);
    }
    this.isOpen = false;
    this.lostAtMs = performance.now();
    if (this.lostBecause === "") this.lostBecause = "the connection was closed";
    this.settlement.closed(this.gate);
    if (this.isClosing || this.isLeft) return;
    this.link.events.lost(this.lostBecause, this.surroundings().lastLeader);
    this.link.route.failed("unreachable");
  }

  private becameReady(): void {
    if (this.redis.status !== "ready") return;
    this.isRestored = true;
    this.lostBecause = "";
    this.lostAtMs = null;
    if (this.isElsewhere()) {
      this.drop("leader changed");
      return;
    }
    this.link.events.ready();
    this.gap.end(() => this.heartbeat.ping(), this.link.events);
    const pauseMs = this.settlement.pauseMs();
    if (pauseMs === 0) this.openGate();
    else this.hold(pauseMs);
  }

  private openGate(): void {
    const socket = this.redis.stream;
    socket.cork();
    // Closed in this very moment: what is left waits for the next connection.
    this.gate.flush((operation) => this.canWrite() && this.release(operation));
    this.database.enter(null);
    socket.uncork();
    this.isOpen = this.canWrite();
  }

  private release({ commands, stream, db }: Operation): true {
    this.database.enter(db);
    for (const command of commands) {
      if (!isPending(command)) {
        skip(stream);
        continue;
      }
      const waited = noteOf(command);
      if (waited && waited.writtenAtMs > 0) shortenSince(command, waited.writtenAtMs);
      this.write(command, stream, performance.now());
    }
    return true;
  }

  private finish(): void {
    this.stopListening?.();
    this.stopListening = null;
    this.watchdog.stop();
    clearTimeout(this.holdTimer);
    const waiting = this.gate.takeAll();
    this.link.closed(this);
    if (this.redis.status !== "end") {
      this.redis.status = "end";
      process.nextTick(() => this.redis.emit("end"));
    }
    for (const operation of waiting) {
      this.refuseAll(operation, messages.closed(messages.nameOf(operation), "not-applied"));
    }
  }

  private refuseAll({ commands }: Operation, error: Error): void {
    for (const command of commands) if (isPending(command)) this.settlement.refuse(command, error);
  }

  private isElsewhere(): boolean {
    const destination = this.link.route.destination();
    return this.at !== null && destination !== null && destination.tag !== this.at.destination.tag;
  }

  private routeChanged(): void {
    const destination = this.link.route.destination();
    const isHere = destination?.tag === this.at?.destination.tag;
    if (this.redis.status !== "ready" || isHere) return;
    this.isOpen = false;
    const why = destination ? `leader changed to ${destination.name}` : "nobody leads now";
    this.lostBecause = why;
    clearTimeout(this.holdTimer);
    this.settlement.drainThen(() => this.drop(why));
  }

  /** A planned change is about to come: nothing more is written until it has, or has not. */
  hold(deadlineMs: number): void {
    if (this.redis.status !== "ready" || !this.own.followsLeader) return;
    this.isOpen = false;
    clearTimeout(this.holdTimer);
    this.holdTimer = setTimeout(() => {
      const isStill = this.redis.status === "ready" && !this.settlement.isDraining;
      if (isStill && !this.isElsewhere()) this.openGate();
    }, deadlineMs);
  }
}

export interface CoreParts {
  readonly link: FollowerLink;
  readonly own: FollowerOptions;
  readonly source: LeaderConnector;
}
