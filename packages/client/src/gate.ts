/**
 * The commands that wait for a leader, in the order in which they were asked for.
 *
 * Guarantees: what expires here is removed before it is rejected, so it is never sent later; a
 * pipeline expires as a whole; there is one timer, and none while nothing waits. Counts what waits;
 * the bound is its owner's. Sends nothing itself.
 */
import type { Command } from "ioredis";
import { isPending, type Operation } from "./operation.ts";

export interface GateOwner {
  expired(operation: Operation): void;
}

export class Gate {
  #waiting: Operation[] = [];
  #queued = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;
  readonly #byStream = new Map<unknown, Operation>();
  readonly #owner: GateOwner;

  constructor(owner: GateOwner) {
    this.#owner = owner;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Some that a server has refused wait to be sent again. */
  get hasRefused(): boolean {
    return this.#waiting.some(({ rejection }) => rejection !== null);
  }

  /** How many commands wait: those of a pipeline are as many. */
  get queued(): number {
    return this.#queued;
  }

  /** The pipeline of this stream, if it waits here: its further commands join it. */
  batch(stream: unknown): Operation | undefined {
    return this.#byStream.get(stream);
  }

  /** One more of a pipeline that waits here. */
  join(operation: Operation, command: Command): void {
    operation.commands.push(command);
    this.#queued += 1;
  }

  push(operation: Operation): void {
    this.#waiting.push(operation);
    this.#queued += operation.commands.length;
    if (operation.stream) this.#byStream.set(operation.stream, operation);
    this.#arm(deadlineOf(operation));
  }

  /** Before everything else: they were asked for earlier. */
  unshift(operations: readonly Operation[]): void {
    // Spread into an argument list, many would overflow the stack.
    this.#waiting = [...operations, ...this.#waiting];
    for (const operation of operations) {
      this.#queued += operation.commands.length;
      this.#arm(deadlineOf(operation));
    }
  }

  /** Behind those that were refused before it, and before all that were asked for later. */
  insertRefused(operation: Operation): void {
    const at = this.#waiting.findIndex(({ rejection }) => rejection === null);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, operation);
    this.#queued += operation.commands.length;
    this.#arm(deadlineOf(operation));
  }

  /** Those that a server has refused are taken out. */
  takeRefused(): readonly Operation[] {
    const refused = this.#waiting.filter(({ rejection }) => rejection !== null);
    for (const operation of refused) this.#take(this.#waiting.indexOf(operation));
    return refused;
  }

  /** The oldest one is taken out. */
  shift(): Operation | null {
    return this.#take(0);
  }

  /** All that wait, in order, without those that have been rejected meanwhile. */
  takeAll(): readonly Operation[] {
    const taken = this.#waiting;
    this.#waiting = [];
    this.#queued = 0;
    this.#byStream.clear();
    this.#disarm();
    return taken.filter(({ commands }) => commands.some(isPending));
  }

  /** Hands all out in order, for as long as they are taken; the rest stays. */
  flush(take: (operation: Operation) => boolean): void {
    const waiting = this.takeAll();
    const at = waiting.findIndex((operation) => !take(operation));
    if (at >= 0) this.unshift(waiting.slice(at));
  }

  /** Takes the operation of this command out; null: it does not wait here. */
  remove(command: Command): Operation | null {
    return this.#take(this.#waiting.findIndex(({ commands }) => commands.includes(command)));
  }

  #take(at: number): Operation | null {
    const operation = this.#waiting[at];
    if (!operation) return null;
    this.#waiting.splice(at, 1);
    this.#queued -= operation.commands.length;
    if (operation.stream) this.#byStream.delete(operation.stream);
    if (this.#waiting.length === 0) this.#disarm();
    return operation;
  }

  #arm(atMs: number): void {
    if (atMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    const inMs = Math.min(Math.max(0, atMs - performance.now()), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => this.#expire(), inMs);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
  }

  #expire(): void {
    this.#disarm();
    const now = performance.now();
    const expired = this.#waiting.filter((operation) => deadlineOf(operation) <= now);
    this.#waiting = this.#waiting.filter((operation) => deadlineOf(operation) > now);
    for (const { stream, commands } of expired) {
      this.#queued -= commands.length;
      if (stream) this.#byStream.delete(stream);
    }
    for (const operation of this.#waiting) this.#arm(deadlineOf(operation));
    for (const operation of expired) this.#owner.expired(operation);
  }
}

/** Node's timers overflow beyond this. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function deadlineOf({ issuedAtMs, options }: Operation): number {
  return issuedAtMs + options.waitForLeaderMs;
}
