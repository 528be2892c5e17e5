/**
 * What the client notes on each command of ioredis: when it was asked for and written, and under
 * which options.
 */
import type { Command, Redis } from "ioredis";
import type { Epoch } from "./types.ts";
import type { RejectionCode } from "./outcome.ts";

/** A command whose reply was lost, for `replayUnknown` to decide on. */
export interface CommandInfo {
  /** Lower case. */
  readonly name: string;
  /** As they were sent, with the key prefix. */
  readonly args: readonly unknown[];
  /** It stood between `MULTI` and `EXEC`. */
  readonly inTransaction: boolean;
  /** Under which it was sent; null: nothing orders leaders here. */
  readonly epoch: Epoch | null;
}

/** A caller's wishes for one operation; what is not given, the connection's options say. */
export interface OperationOptions {
  /** Total, including the wait for a leader. Keeps the connection. */
  readonly timeoutMs?: number;
  /** How long it may wait for a leader; 0: not at all. */
  readonly waitForLeaderMs?: number;
  /** Aborted: rejects at once, `not-applied` if it was not sent, else `unknown`. */
  readonly signal?: AbortSignal;
  /** Whether to send a write again whose reply was lost: it may then run twice. */
  readonly replayUnknown?: "never" | ((command: CommandInfo) => boolean);
}

export interface ResolvedOptions {
  readonly timeoutMs: number | null;
  readonly waitForLeaderMs: number;
  readonly signal: AbortSignal | null;
  readonly replayUnknown: "never" | ((command: CommandInfo) => boolean);
  /** False: a definite rejection is handed to the caller, who repeats the whole himself. */
  readonly resendRejected: boolean;
}

export type Stream = Parameters<Redis["sendCommand"]>[1];

/** One command, or the commands of one pipeline, which are kept, expired and rejected together. */
export interface Operation {
  readonly commands: Command[];
  /** ioredis' collector of a pipeline; undefined: each command goes by itself. */
  readonly stream: Stream;
  readonly options: ResolvedOptions;
  readonly issuedAtMs: number;
  /** It was refused before by a server that leads nobody. */
  readonly rejection: Rejection | null;
  /** Where it ran when it was sent before; null: it never was. */
  readonly db: number | null;
}

export interface Rejection {
  readonly code: RejectionCode;
  readonly message: string;
  readonly node: string;
  readonly db: number;
}

export interface Note {
  readonly options: ResolvedOptions;
  readonly issuedAtMs: number;
  writtenAtMs: number;
  /** Of ioredis or of the client itself, not the caller's: never kept, never sent again. */
  readonly internal: boolean;
  /** All commands of the pipeline into which its caller put it; null: it stands for itself. */
  readonly batch: Command[] | null;
  /** It was written before, and its reply was lost: nothing may call it `not-applied` any more. */
  readonly mayHaveRun: boolean;
}

/** Waits for as long as its connection lives. */
export function patient(options: ResolvedOptions): ResolvedOptions {
  return { ...options, timeoutMs: null, signal: null, waitForLeaderMs: Infinity };
}

/**
 * On a command, or on the stream of a pipeline for all its commands: one more property on each of
 * them would take more room in them than ioredis has left.
 */
const NOTE = Symbol("leasehold.note");

interface Noted {
  [NOTE]?: Note;
}

export function noteOf(command: object): Note | undefined {
  return (command as Noted)[NOTE];
}

export function note(command: object, what: Note): Note {
  (command as Noted)[NOTE] = what;
  return what;
}

/** The command of something that is written, with its note: of its own, or that of its pipeline. */
export function noted({ command, stream }: Written): Command {
  const shared = stream && !noteOf(command) ? noteOf(stream) : undefined;
  if (shared) note(command, shared);
  return command as Command;
}

/** As in ioredis' `commandQueue`. */
export interface Written {
  readonly command: object;
  readonly stream?: Stream | null;
}

export function noteFor(options: ResolvedOptions, what: Pick<Note, "internal" | "batch">): Note {
  const { internal, batch } = what;
  const nowMs = performance.now();
  return { options, issuedAtMs: nowMs, writtenAtMs: 0, internal, batch, mayHaveRun: false };
}

/**
 * Of a command that is written at once. A class, since V8 may make all objects of a literal old
 * from the start: everything that they refer to would outlive the small collections then.
 */
export class WrittenNote implements Note {
  readonly options: ResolvedOptions;
  readonly issuedAtMs: number;
  writtenAtMs: number;
  readonly internal = false;
  readonly batch: Note["batch"];
  readonly mayHaveRun = false;

  constructor(nowMs: number, options: ResolvedOptions, batch: Note["batch"]) {
    this.options = options;
    this.issuedAtMs = nowMs;
    this.writtenAtMs = nowMs;
    this.batch = batch;
  }
}

/** ioredis' collector writes a pipeline when it has been given all of it: this one stays away. */
export function skip(stream: Stream): void {
  try {
    (stream as { write(bytes: string): void } | undefined)?.write("");
  } catch {
    // The last of a pipeline of which nothing is left to write, and no socket to write it to.
  }
}

export function isPending(command: { readonly isSettled: boolean }): boolean {
  return !command.isSettled;
}
