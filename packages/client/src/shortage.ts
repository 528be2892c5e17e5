/**
 * A leader that refuses writes since too few replicas are in reach (`NOREPLICAS`): it leads, so its
 * connection stays, and the writes are tried again until their own deadlines.
 *
 * Guarantees: the oldest one is tried alone, with growing pauses, and the others follow when the
 * server has taken it; none goes out again once a later one was acknowledged, also while a change
 * is announced or replies are waited for. Suspended or forgotten, it has no timer. Knows nothing of
 * reads: they go on beside it.
 */
import type { Command } from "ioredis";
import { backoffMs } from "./backoff.ts";
import type { Gate } from "./gate.ts";
import { isPending, type Operation } from "./operation.ts";
import { overtakes } from "./replay-policy.ts";

export interface ShortPath {
  readonly gate: Gate;
  /** False: the connection is about to be lost. */
  canWrite(): boolean;
  /** What is written and not answered. */
  written(): readonly Command[];
  /** From 0 to 1. */
  draw(): number;
  /** Writes one operation that waited. */
  tryOne(operation: Operation): void;
  /** Writes all that waits, and lets everything through again. */
  open(): void;
  /** A later write was acknowledged before this one could be sent again. */
  overtaken(operation: Operation): void;
}

interface Probe {
  readonly commands: Set<Command>;
  readonly refused: Operation[];
  isRefused: boolean;
}

/** A shortage that comes back within this time goes on with its pauses. */
const IN_A_ROW_MS = 1_000;

export class Shortage {
  readonly #path: ShortPath;
  #isOn = false;
  /** Nothing is tried: what was written may yet be answered. */
  #isSuspended = false;
  #rounds = 0;
  #overAtMs = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #dueAtMs = 0;
  /** Its pause is over, but not all replies to what was written before it are there. */
  #isDue = false;
  /** Writes behind the first refused one, which may yet be acknowledged. */
  readonly #ahead = new Set<Command>();
  #probe: Probe | null = null;
  readonly #watched = new WeakSet<Command>();

  constructor(path: ShortPath) {
    this.#path = path;
  }

  /** Writes wait for a server that leads and refuses them. */
  get isOn(): boolean {
    return this.#isOn && !this.#isSuspended;
  }

  /** The next try comes after a command that may wait for so long has expired. */
  isTooLateFor(waitMs: number): boolean {
    const isPaused = this.#probe === null && !this.#isDue;
    return isPaused && performance.now() + waitMs < this.#dueAtMs;
  }

  /** It is about to be written by itself, and nothing behind it is tried before its answer. */
  expect(command: Command): void {
    if (!overtakes(command.name)) return;
    this.#ahead.add(command);
    this.#watch(command);
  }

  /** The server has refused `command`; `operation` is how it goes out again; null: it does not. */
  met(command: Command, operation: Operation | null): void {
    if (!this.#isOn) this.#begin();
    this.#ahead.delete(command);
    const probe = this.#probe;
    if (!probe?.commands.delete(command)) {
      if (operation) this.#path.gate.insertRefused(operation);
      this.#lookDue();
      return;
    }
    probe.isRefused = true;
    if (operation) probe.refused.push(operation);
    this.#judge(probe);
  }

  suspend(): void {
    clearTimeout(this.#timer);
    this.#isDue = false;
    this.#isSuspended = true;
  }

  /** True: it goes on, since what is written may yet decide on what was refused before it. */
  resume(): boolean {
    this.#isSuspended = false;
    const isUndecided = this.#ahead.size > 0 && this.#path.gate.hasRefused;
    this.#isOn &&= this.#probe !== null || isUndecided;
    this.#isDue = this.#isOn && this.#probe === null;
    if (!this.#isOn) clearTimeout(this.#timer);
    return this.#isOn;
  }

  /** The connection is gone. What is to be tried again stays in the gate, first. */
  forget(): void {
    this.suspend();
    if (this.#probe) this.#path.gate.unshift(this.#probe.refused);
    this.#probe = null;
    this.#ahead.clear();
    this.#isOn = false;
  }

  #begin(): void {
    this.#isOn = true;
    this.#rounds = performance.now() - this.#overAtMs < IN_A_ROW_MS ? this.#rounds + 1 : 0;
    for (const command of this.#path.written()) {
      if (!isPending(command) || !overtakes(command.name)) continue;
      this.#ahead.add(command);
      this.#watch(command);
    }
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#isSuspended) return;
    const pauseMs = backoffMs(this.#rounds, () => 0.5 + this.#path.draw() / 2);
    this.#dueAtMs = performance.now() + pauseMs;
    this.#timer = setTimeout(() => {
      this.#isDue = true;
      this.#lookDue();
    }, pauseMs);
  }

  #lookDue(): void {
    if (!this.#isDue || this.#ahead.size > 0 || !this.#path.canWrite()) return;
    this.#isDue = false;
    for (;;) {
      const operation = this.#path.gate.shift();
      if (!operation) {
        this.#end();
        return;
      }
      const commands = operation.commands.filter(isPending);
      if (commands.length === 0) continue;
      this.#probe = { commands: new Set(commands), refused: [], isRefused: false };
      for (const command of commands) this.#watch(command);
      this.#path.tryOne(operation);
      return;
    }
  }

  /** Once for each command, however often it is tried. */
  #watch(command: Command): void {
    if (this.#watched.has(command)) return;
    this.#watched.add(command);
    const { resolve, reject } = command;
    command.resolve = (value: unknown) => {
      resolve(value);
      this.#answered(command, true);
    };
    command.reject = (error) => {
      reject(error);
      this.#answered(command, false);
    };
  }

  #answered(command: Command, isApplied: boolean): void {
    const isLater = isApplied && overtakes(command.name);
    if (this.#ahead.delete(command)) {
      if (isLater) this.#overtake(this.#path.gate.takeRefused());
      this.#lookDue();
      return;
    }
    const probe = this.#probe;
    if (!probe?.commands.delete(command)) return;
    if (isLater) this.#overtake(probe.refused.splice(0));
    this.#judge(probe);
  }

  #overtake(operations: readonly Operation[]): void {
    for (const operation of operations) this.#path.overtaken(operation);
  }

  #judge(probe: Probe): void {
    if (probe.commands.size > 0) return;
    this.#probe = null;
    if (!probe.isRefused) {
      this.#end();
      return;
    }
    this.#path.gate.unshift(probe.refused);
    this.#rounds += 1;
    this.#arm();
  }

  #end(): void {
    this.#isOn = false;
    this.#overAtMs = performance.now();
    if (!this.#isSuspended) this.#path.open();
  }
}
