/**
 * Settles what was written and not answered, when a server refuses it or its connection is lost.
 *
 * Guarantees: after the first definite refusal nothing more is written on that connection; the
 * replies behind it are waited for, for a bounded time; what was refused goes out again only if no
 * later write was acknowledged meanwhile. A server that unblocks a client since it is demoted runs
 * nothing more of that client, and closes its connection: what waited behind was refused, too.
 * After `closed` no command of the connection is left without an answer or a place in the queue.
 */
import type { Command, Redis } from "ioredis";
import { backoffMs } from "./backoff.ts";
import { blockMs, countsReplicas, isRepeatable } from "./command.ts";
import type { FollowerLink, FollowerOptions } from "./follower-link.ts";
import type { Gate } from "./gate.ts";
import * as messages from "./messages.ts";
import {
  isPending,
  note,
  noted,
  noteOf,
  type Note,
  type Operation,
  type Rejection,
} from "./operation.ts";
import { outcomeOf } from "./outcome.ts";
import {
  afterLoss,
  isInTransaction,
  isOvertaken,
  overtakes,
  type LossVerdict,
} from "./replay-policy.ts";

/** The connection whose commands are settled. */
export interface Settled {
  readonly redis: Pick<Redis, "commandQueue">;
  readonly link: FollowerLink;
  readonly own: FollowerOptions;
  surroundings(): messages.Surroundings;
  translate(error: Error): Error;
  closeGate(): void;
  drop(why: string): void;
}

type Item = ReturnType<Redis["commandQueue"]["toArray"]>[number];

interface Held {
  readonly command: Command;
  readonly rejection: Rejection;
  isOvertaken: boolean;
}

/** Refusals in a row further apart than this are not in a row. */
const IN_A_ROW_MS = 1_000;

export class Settlement {
  readonly #of: Settled;
  #held: Held[] = [];
  #drain: { readonly timer: NodeJS.Timeout; readonly act: () => void } | null = null;
  /** The last thing that the server had to say, if nothing comes behind it. */
  #unblocked: Rejection | null = null;
  #refusals = 0;
  #refusedAtMs = -Infinity;

  constructor(of: Settled) {
    this.#of = of;
  }

  get isDraining(): boolean {
    return this.#drain !== null;
  }

  isHeld(command: Command): boolean {
    return this.#held.some((held) => held.command === command);
  }

  /** How long to wait before the next connection is used: a leader may refuse for a while. */
  pauseMs(): number {
    if (performance.now() - this.#refusedAtMs > IN_A_ROW_MS) this.#refusals = 0;
    return this.#refusals < 2 ? 0 : backoffMs(this.#refusals, () => 1);
  }

  /** The server has refused it before it ran, since it leads no longer. */
  rejected(command: Command, error: Error, rejection: Rejection): void {
    if (this.goesAgain(command)) this.#held.push({ command, rejection, isOvertaken: false });
    else this.refuseRejected(command, error, rejection);
    if (rejection.code === "UNBLOCKED" && blockMs(command) !== null) this.#unblocked = rejection;
    const why = `it refuses ${command.name.toUpperCase()} with ${rejection.code}`;
    this.startDraining(why, rejection.code === "REDIRECT" ? "redirect" : "rejection");
    this.#answered();
  }

  /** Whether it is sent again by itself, once it was refused before it ran. */
  goesAgain(command: Command): boolean {
    if (command.inTransaction || !isPending(command) || countsReplicas(command.name)) return false;
    return noteOf(command)?.options.resendRejected ?? false;
  }

  /** Its caller is told, and repeats the whole, or does not. */
  refuseRejected(command: Command, error: Error, rejection: Rejection): void {
    const name = command.name.toUpperCase();
    // In a transaction EXEC tells of it.
    if (command.inTransaction || !noteOf(command) || !isPending(command)) command.reject(error);
    else this.refuse(command, messages.refused(name, rejection));
  }

  /** With an error that says `not-applied`, unless an earlier sending of it may have run. */
  refuse(command: Command, error: Error): void {
    if (noteOf(command)?.mayHaveRun) this.#giveUp(command, this.#of.surroundings());
    else this.fail(command, error);
  }

  /** Its caller gets this error, and whoever counts outcomes hears of it. */
  fail(command: Command, error: Error): void {
    const { lastEpoch } = this.#of.surroundings();
    const name = command.name.toUpperCase();
    this.#of.link.events.failed(name, outcomeOf(error), lastEpoch);
    command.reject(this.#of.translate(error));
  }

  startDraining(why: string, how: "rejection" | "redirect" = "rejection"): void {
    if (this.#drain) return;
    if (this.#of.own.followsLeader) this.#of.link.events.rejected(how);
    this.#refusals += performance.now() - this.#refusedAtMs > IN_A_ROW_MS ? 0 : 1;
    this.#refusedAtMs = performance.now();
    this.#of.link.route.failed(how === "redirect" ? "redirected" : "refused");
    this.drainThen(() => this.#of.drop(why));
  }

  /** Runs `act` once all replies are there, or too late. */
  drainThen(act: () => void, drainMs = this.#of.own.drainMs): void {
    this.#of.closeGate();
    if (this.#drain) return;
    this.#drain = { timer: setTimeout(() => this.#drained(), drainMs), act };
    for (const { command } of this.#of.redis.commandQueue.toArray()) {
      this.#watch(command as Command);
    }
    // Not now: a caller of this may be in the middle of a reply.
    if (this.#of.redis.commandQueue.isEmpty()) process.nextTick(() => this.#answered());
  }

  /** The socket is closed. */
  closed(gate: Gate): void {
    if (this.#drain) clearTimeout(this.#drain.timer);
    this.#drain = null;
    const { commandQueue } = this.#of.redis;
    const unanswered = commandQueue.toArray();
    commandQueue.clear();
    const held = this.#held;
    this.#held = [];
    const unblocked = this.#unblocked;
    this.#unblocked = null;
    const again = [...this.#sendHeldAgain(held), ...this.#settle(unanswered, unblocked)];
    if (again.length === 0) return;
    gate.unshift(again);
    this.#of.link.events.resent(again.length);
  }

  #watch(command: Command): void {
    const { resolve, reject } = command;
    command.resolve = (value: unknown) => {
      this.#unblocked = null;
      if (overtakes(command.name)) for (const held of this.#held) held.isOvertaken = true;
      resolve(value);
      this.#answered();
    };
    command.reject = (error) => {
      this.#unblocked = null;
      reject(error);
      this.#answered();
    };
  }

  #answered(): void {
    if (this.#drain && this.#of.redis.commandQueue.isEmpty()) this.#drained();
  }

  #drained(): void {
    const drain = this.#drain;
    if (!drain) return;
    clearTimeout(drain.timer);
    // Once; `closed` makes an end of it.
    this.#drain = { timer: drain.timer, act: () => {} };
    drain.act();
  }

  #sendHeldAgain(held: readonly Held[]): Operation[] {
    const again: Operation[] = [];
    for (const { command, rejection, isOvertaken: late } of held) {
      if (!isPending(command)) continue;
      if (late && isOvertaken(command.name)) {
        const name = command.name.toUpperCase();
        this.refuse(command, messages.overtaken(name, rejection));
      } else again.push(single(command, rejection, rejection.db));
    }
    return again;
  }

  #settle(unanswered: readonly Item[], unblocked: Rejection | null): Operation[] {
    const verdicts = new Map<unknown, LossVerdict>();
    const around = this.#of.surroundings();
    const again: Operation[] = [];
    for (const item of unanswered) {
      const command = noted(item);
      if (!isPending(command)) continue;
      const its = noteOf(command);
      if (command.name.toLowerCase() === "quit") command.resolve(Buffer.from("OK"));
      else if (!its || its.internal) command.reject(new Error("Connection is closed."));
      else if (unblocked) {
        const rejection = { ...unblocked, db: item.select };
        if (isInTransaction(command)) this.refuse(command, messages.transactionRefused(command));
        else if (this.goesAgain(command)) again.push(single(command, rejection, item.select));
        else this.refuseRejected(command, new Error(rejection.message), rejection);
      } else {
        const batch = its.batch ?? [command];
        const verdict = verdicts.get(batch) ?? this.#verdictOn(batch, its, around.lastEpoch);
        verdicts.set(batch, verdict);
        if (verdict === "resend") again.push(single(command, null, item.select));
        else this.#giveUp(command, around);
      }
    }
    return again;
  }

  #verdictOn(batch: readonly Command[], { options }: Note, epoch: number | null): LossVerdict {
    const mayReplay = options.replayUnknown;
    return afterLoss(batch, (command) => {
      const { name, args, inTransaction } = command as Command;
      if (mayReplay === "never") return false;
      try {
        return mayReplay({ name, args, inTransaction, epoch });
      } catch (error) {
        // The caller's bug. Thrown on from here, it would leave everything unsettled.
        const message = `replayUnknown threw for ${name.toUpperCase()}, which counts as "no"`;
        this.#of.link.events.connectionError(new Error(message, { cause: error }));
        return false;
      }
    });
  }

  #giveUp(command: Command, around: messages.Surroundings): void {
    const name = command.name.toUpperCase();
    const writtenMsAgo = performance.now() - (noteOf(command)?.writtenAtMs ?? 0);
    this.fail(command, messages.outcomeUnknown(name, writtenMsAgo, around));
  }
}

/** By itself from now on: ioredis' collector of a pipeline would wait for the others. */
export function single(command: Command, rejection: Rejection | null, db: number): Operation {
  const its = noteOf(command);
  if (!its) throw new Error(`${command.name} was never noted`);
  const isLost = rejection === null && !isRepeatable(command.name);
  note(command, { ...its, batch: null, mayHaveRun: its.mayHaveRun || isLost });
  const { options } = its;
  // Its wait for a leader begins now, if the time until now was the command's own.
  const issuedAtMs = blockMs(command) === null ? its.issuedAtMs : performance.now();
  return { commands: [command], stream: undefined, options, issuedAtMs, rejection, db };
}
