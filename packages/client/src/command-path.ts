/**
 * The way of each command of one follower: written at once, kept until there is a leader, or
 * refused.
 *
 * Guarantees: a command is written only while its connection is open, which is one that its
 * connector has verified; nothing waits inside ioredis, so nothing is sent behind this class's
 * back; commands leave in the order of the calls, except that reads pass writes that a leader
 * refuses for want of replicas.
 */
import type { Command, Redis } from "ioredis";
import { watchOperation } from "./cancellation.ts";
import { isOfData, onlyAsks, shortenSince } from "./command.ts";
import { Database } from "./database.ts";
import { Gate } from "./gate.ts";
import type { Base } from "./heartbeat.ts";
import { isIoredisOwn, RESUBSCRIBE } from "./ioredis-own.ts";
import * as messages from "./messages.ts";
import {
  isPending,
  note,
  noted,
  noteFor,
  noteOf,
  patient,
  skip,
  type Operation,
  type Rejection,
  type ResolvedOptions,
  type Stream,
} from "./operation.ts";
import { rejectionOf } from "./outcome.ts";
import { refusalOf, waitingRefusalOf } from "./refusal.ts";
import { Session } from "./session.ts";
import { Settlement, single, type Settled } from "./settlement.ts";
import { Shortage } from "./shortage.ts";
import { Turn } from "./turn.ts";

/** The connection that the commands are written to. */
export interface PathConnection extends Settled {
  readonly redis: Redis;
  readonly base: Base;
  /** ioredis has built it up, and sends nothing more by itself. */
  readonly isRestored: boolean;
  disconnect(reconnect: boolean): void;
  /** Something is written, and no reply was due. */
  busy(nowMs: number): void;
}

export class CommandPath {
  readonly #at: PathConnection;
  readonly #redis: Redis;
  readonly #gate: Gate;
  readonly #session = new Session((command) => this.#at.link.events.notRestored(command));
  readonly #turn = new Turn();
  readonly #shortage: Shortage;
  readonly #usual: ResolvedOptions | null;
  /** Commands go straight through; nothing waits then. */
  #isOpen = false;
  #isEnding = false;
  /** What waits may change what the connection is to those behind it. */
  #isBarred = false;
  /** Of the pipeline that is being handed over. */
  #isAuto = false;
  /** The pipeline that is let through: all of it, or ioredis would hold back what it has of it. */
  #passing: Stream = undefined;
  #turnedAway: { readonly stream: Stream; readonly error: Error } | null = null;
  readonly settlement: Settlement;
  readonly database: Database;

  constructor(at: PathConnection) {
    this.#at = at;
    this.#redis = at.redis;
    this.#gate = new Gate({ expired: (operation) => this.#expired(operation) });
    this.settlement = new Settlement(at);
    this.database = new Database(at.redis, (command) => this.#sendOwn(command));
    this.#shortage = new Shortage({
      gate: this.#gate,
      canWrite: () => this.#canWrite(),
      written: () => at.redis.commandQueue.toArray().map(({ command }) => command as Command),
      draw: () => at.link.draw(),
      tryOne: (operation) => {
        this.#release(operation);
        this.database.enter(null);
      },
      open: () => this.open(),
      overtaken: (operation) => this.#overtaken(operation),
    });
    const { operation, readOnly } = at.own;
    const isUsual = !readOnly && operation.signal === null && operation.timeoutMs === null;
    this.#usual = isUsual ? operation : null;
  }

  // ---- the state of the connection ----

  /** How many commands wait. */
  get queued(): number {
    return this.#gate.queued;
  }

  get isSessionOpen(): boolean {
    return this.#session.isOpen;
  }

  /** Lets out what waits, in order, and lets everything through. */
  open(): void {
    if (this.#shortage.resume()) return;
    const socket = this.#redis.stream;
    socket.cork();
    // Closed in this very moment: what is left waits for the next connection.
    this.#gate.flush((operation) => this.#canWrite() && this.#release(operation));
    this.database.enter(null);
    socket.uncork();
    this.#isBarred = false;
    this.#passing = undefined;
    this.#isOpen = this.#canWrite() && !this.#isEnding;
  }

  /** What is written keeps its place; everything else waits. */
  close(): void {
    this.#isOpen = false;
    this.#shortage.suspend();
  }

  /** On another connection now. */
  moved(): void {
    this.#session.moved();
  }

  /** The connection is lost. */
  lost(): void {
    // Its commands are settled one by one: the last of them must set nothing off.
    this.close();
    this.settlement.closed(this.#gate);
    this.#shortage.forget();
  }

  /** Takes nothing more. True while something is under way. */
  finishUp(): boolean {
    this.#isEnding = true;
    this.#isOpen = false;
    return !this.#redis.commandQueue.isEmpty() || !this.#gate.isEmpty;
  }

  /** There will be no connection any more. */
  end(): void {
    this.close();
    this.#shortage.forget();
    for (const operation of this.#gate.takeAll()) {
      this.#refuseAll(operation, messages.closed(messages.nameOf(operation), "not-applied"));
    }
  }

  /** Runs `send`, which hands over a pipeline that ioredis has made of single calls. */
  auto<T>(send: () => T): T {
    this.#isAuto = true;
    try {
      return send();
    } finally {
      this.#isAuto = false;
    }
  }

  // ---- Cancellable ----

  /** Takes an operation out that waits; null: it does not wait. */
  withdraw(command: Command): Operation | null {
    return this.#gate.remove(command);
  }

  isHeld(command: Command): boolean {
    return this.settlement.isHeld(command);
  }

  fail(command: Command, error: Error): void {
    this.settlement.fail(command, error);
  }

  // ---- commands ----

  send(command: Command, stream: Stream, options: ResolvedOptions): unknown {
    if (this.#isOpen && options === this.#usual && this.#canWrite()) {
      return this.#writeNew(command, stream, options);
    }
    return this.#sendWithCare(command, stream, options);
  }

  #sendWithCare(command: Command, stream: Stream, options: ResolvedOptions): unknown {
    const { isRestored } = this.#at;
    const standing = { isRestored, database: this.database };
    if (!stream && !this.#isOpen && isIoredisOwn(command, this.#redis, standing)) {
      return this.#sendOwn(command);
    }
    const refusal = this.#refusal(command, options);
    if (refusal) return this.#refuse(command, stream, refusal);
    if (!this.#canWrite() || !this.#lets(command, stream, options)) {
      return this.#enqueue(command, stream, options);
    }
    const written = this.#writeNew(command, stream, options);
    watchOperation(noted({ command, stream }), options, this);
    return written;
  }

  /** An error reply of the server. */
  answeredWithError(
    error: Error,
    command: Command,
    where: Omit<Rejection, "code" | "message">,
  ): void {
    if (command.name.toLowerCase() === "exec") {
      this.#execRefused(error, command);
      return;
    }
    if (command.inTransaction) this.#session.noteError(error);
    const isInternal = noteOf(command)?.internal === true;
    const code = isInternal ? null : rejectionOf(error.message, command.name);
    if (code === null) {
      if (isInternal) command.reject(error);
      else this.fail(command, error);
      return;
    }
    const rejection = { code, message: error.message, ...where };
    if (code !== "NOREPLICAS" || this.settlement.isDraining) {
      this.settlement.rejected(command, error, rejection);
      return;
    }
    const goesAgain = this.settlement.goesAgain(command);
    this.#shortOf(command, goesAgain ? single(command, rejection, rejection.db) : null);
    if (!goesAgain) this.settlement.refuseRejected(command, error, rejection);
  }

  #execRefused(error: Error, command: Command): void {
    const seen = this.#session.execRefused(error);
    if (seen.why === "shortage" && !this.settlement.isDraining) this.#shortOf(command, null);
    else if (seen.why !== null) this.settlement.startDraining("the server leads no longer");
    this.fail(command, seen.error);
  }

  #refusal(command: Command, options: ResolvedOptions): Error | null {
    const { readOnly } = this.#at.own;
    const isEnded = this.#redis.status === "end" || this.#isEnding;
    const isPlain = !isEnded && !readOnly && options.signal === null;
    return isPlain ? null : refusalOf(command, options, { isEnded, readOnly });
  }

  #canWrite(): boolean {
    return this.#redis.status === "ready" && this.#redis.stream?.writable;
  }

  /** While writes are held back for want of replicas, reads are let through. */
  #lets(command: Command, stream: Stream, { waitForLeaderMs }: ResolvedOptions): boolean {
    if (this.#isOpen) return true;
    if (!this.#shortage.isOn || this.#isBarred) return false;
    const isBatched = stream !== undefined && !this.#isAuto;
    if (onlyAsks(command.name) && !isBatched) return true;
    const isPassing = isBatched && this.#passing === stream;
    if (!isPassing && !this.#session.isInMulti) {
      // Otherwise a short deadline would never be tried.
      if (!this.#gate.isEmpty || !this.#shortage.isTooLateFor(waitForLeaderMs)) return false;
    }
    if (!this.#session.isInMulti) this.#shortage.expect(command);
    if (isBatched) this.#passing = stream;
    return true;
  }

  #writeNew(command: Command, stream: Stream, options: ResolvedOptions): unknown {
    const turn = this.#turn;
    turn.begin(this.#redis.stream);
    if (stream) turn.noteIn(stream, options, this.#isAuto ? null : command);
    else note(command, turn.noteOne(options));
    return this.#write(command, stream, turn.atMs);
  }

  #write(command: Command, stream: Stream, nowMs: number): unknown {
    if (this.#session.concerns(command)) {
      const refusal = this.#session.refuse(command, stream);
      if (refusal) return this.#refuse(command, stream, refusal);
      this.#session.learn(command);
    }
    if (this.#redis.commandQueue.isEmpty()) this.#at.busy(nowMs);
    return this.#at.base.send(command, stream);
  }

  #refuse(command: Command, stream: Stream, error: Error): unknown {
    this.settlement.refuse(command, error);
    skip(stream);
    return command.promise;
  }

  #enqueue(command: Command, stream: Stream, options: ResolvedOptions): unknown {
    this.#isOpen = false;
    if (this.#redis.status === "wait") this.#redis.connect().catch(() => {});
    if (stream && this.#isAuto) {
      // Its caller grouped nothing: each waits, expires and goes out by itself.
      skip(stream);
      return this.#enqueue(command, undefined, options);
    }
    if (stream && this.#turnedAway?.stream === stream) {
      return this.#refuse(command, stream, this.#turnedAway.error);
    }
    const isUnconnected = this.#redis.status !== "ready";
    // Nothing is written that it would have to wait for.
    if (!stream && command.name.toLowerCase() === "quit" && isUnconnected) {
      this.#at.disconnect(false);
      command.resolve(Buffer.from("OK"));
      return command.promise;
    }
    const room = { queued: this.#gate.queued, maxQueued: this.#at.own.maxQueued };
    const refusal = waitingRefusalOf(command, stream, room);
    if (refusal) return this.#turnAway(command, stream, refusal);
    this.#wait(command, stream, options);
    return command.promise;
  }

  #wait(command: Command, stream: Stream, options: ResolvedOptions): void {
    if (!isOfData(command.name, { batched: stream !== undefined })) this.#isBarred = true;
    const waiting = stream ? this.#gate.batch(stream) : undefined;
    const commands = waiting?.commands ?? [command];
    if (waiting) this.#gate.join(waiting, command);
    const batch = stream ? commands : null;
    const { issuedAtMs } = note(command, noteFor(options, { internal: false, batch }));
    watchOperation(command, options, this);
    if (waiting) return;
    this.#gate.push({ commands, stream, options, issuedAtMs, rejection: null, db: null });
  }

  /** There is no room: of a pipeline then nothing waits, for no part of it may be sent. */
  #turnAway(command: Command, stream: Stream, error: Error): unknown {
    if (stream) {
      this.#turnedAway = { stream, error };
      const [first] = this.#gate.batch(stream)?.commands ?? [];
      const waiting = first && this.#gate.remove(first);
      if (waiting) this.#refuseAll(waiting, error);
    }
    return this.#refuse(command, stream, error);
  }

  #expired(operation: Operation): void {
    const waitedMs = performance.now() - operation.issuedAtMs;
    const unavailable = this.#at.own.unavailable?.(waitedMs);
    const around = this.#at.surroundings();
    const trouble = this.#shortage.isOn
      ? "the leader refuses writes with NOREPLICAS"
      : around.trouble;
    const error = unavailable ?? messages.expired(operation, waitedMs, { ...around, trouble });
    this.#refuseAll(operation, error);
  }

  #overtaken(operation: Operation): void {
    const { rejection } = operation;
    if (!rejection) return;
    this.#refuseAll(operation, messages.overtaken(messages.nameOf(operation), rejection));
  }

  #shortOf(command: Command, again: Operation | null): void {
    this.#at.link.route.failed("short");
    this.#isOpen = false;
    this.#shortage.met(command, again);
  }

  /** Past the queue; never kept, and never sent again, unless it restores a subscription. */
  #sendOwn(command: Command): unknown {
    // ioredis forgets a subscription that is lost before it was confirmed.
    const isKept = RESUBSCRIBE.has(command.name);
    const { operation } = this.#at.own;
    const options = isKept ? patient(operation) : operation;
    note(command, noteFor(options, { internal: !isKept, batch: null }));
    // ioredis listens to those of its handshake alone; one that is lost is nobody's loss.
    command.promise.catch(() => {});
    return this.#at.base.send(command, undefined);
  }

  #release({ commands, stream, db, rejection, issuedAtMs }: Operation): true {
    const { events } = this.#at.link;
    const nowMs = performance.now();
    this.database.enter(db);
    if (rejection?.code === "NOREPLICAS") events.resent(1);
    events.waited(nowMs - issuedAtMs);
    for (const command of commands) {
      if (!isPending(command)) {
        skip(stream);
        continue;
      }
      const waited = noteOf(command);
      if (waited) {
        if (waited.writtenAtMs > 0) shortenSince(command, waited.writtenAtMs);
        waited.writtenAtMs = nowMs;
      }
      this.#write(command, stream, nowMs);
    }
    return true;
  }

  #refuseAll({ commands }: Operation, error: Error): void {
    for (const command of commands) if (isPending(command)) this.settlement.refuse(command, error);
  }
}
