/**
 * What commands leave behind on one server, and must not carry to another one: WATCH, an open
 * MULTI, and the cursors of SCAN.
 *
 * Guarantees: after the connection has moved, EXEC of a transaction that began before is refused
 * without being sent, and so is every write in it, for a second at least if its caller ends it by
 * neither EXEC nor DISCARD; a cursor of another node is refused.
 */
import type { Command } from "ioredis";
import { isRepeatable } from "./command.ts";
import { ScanInterruptedError, TransactionAbortedError } from "./errors.ts";
import { READ_COMMANDS, WRITE_COMMANDS } from "./generated/command-names.ts";
import type { Stream } from "./operation.ts";
import { rejectionOf } from "./outcome.ts";

const SCANS: ReadonlySet<string> = new Set(["scan", "sscan", "hscan", "zscan"]);
const TRANSACTIONS: ReadonlySet<string> = new Set(["multi", "exec", "discard", "watch", "unwatch"]);
const CONCERNING: ReadonlySet<string> = new Set([...SCANS, ...TRANSACTIONS, "client"]);
/** Of CLIENT: what they set is of one server, and is lost with the connection. */
const NOT_RESTORED: ReadonlySet<string> = new Set(["TRACKING", "REPLY"]);
/** As ioredis spells them: most commands are told by one look. */
const USUAL: ReadonlySet<string> = new Set(
  [...READ_COMMANDS, ...WRITE_COMMANDS].filter((name) => !CONCERNING.has(name)),
);
const MOST_CURSORS = 10_000;
/**
 * For so long after its first refusal a lost MULTI keeps others' writes away. Its caller knows by
 * then; one that gave up without EXEC or DISCARD must not hold a shared connection for ever.
 */
const DOOMED_MS = 1_000;

/** `why`: null where the error is the transaction's own. */
export interface ExecRefused {
  readonly error: Error;
  readonly why: "notLeader" | "shortage" | null;
}

export class Session {
  /** Counts connections; 0: none yet. */
  #connection = 0;
  #watchedOn: number | null = null;
  #multiOn: number | null = null;
  #doomedAtMs: number | null = null;
  /** Which connection gave it, and how many elements had come until then. */
  #cursors = new Map<string, { readonly connection: number; readonly seen: number }>();
  #replyErrors: Error[] = [];
  /** Nothing more of it is sent: its transaction began on another connection. */
  #refusedBatch: { readonly stream: Stream; readonly error: Error } | null = null;

  readonly #notRestored: (command: string) => void;

  /** `notRestored` is told what the caller sets that ends with the connection. */
  constructor(notRestored: (command: string) => void = () => {}) {
    this.#notRestored = notRestored;
  }

  /** Something is watched, or a MULTI waits for its EXEC. */
  get isOpen(): boolean {
    return this.#watchedOn === this.#connection || this.#multiOn === this.#connection;
  }

  /** Everything that comes now belongs to a MULTI of this connection. */
  get isInMulti(): boolean {
    return this.#multiOn === this.#connection;
  }

  moved(): void {
    this.#connection += 1;
    this.#replyErrors = [];
  }

  /** Whether anything here may speak against it, or must be learned from it. */
  concerns({ name }: Command): boolean {
    if (this.#multiOn !== null || this.#refusedBatch !== null) return true;
    return !USUAL.has(name) && CONCERNING.has(name.toLowerCase());
  }

  /** Why it must not be sent on this connection; null: it may. */
  refuse(command: Command, stream: Stream): Error | null {
    if (!stream) return this.#judge(command, false);
    if (this.#refusedBatch?.stream === stream) return this.#refusedBatch.error;
    const error = this.#judge(command, true);
    this.#refusedBatch = error && { stream, error };
    return error;
  }

  #judge(command: Command, batched: boolean): Error | null {
    const name = command.name.toLowerCase();
    if (this.#multiOn === null && !SCANS.has(name) && !TRANSACTIONS.has(name)) return null;
    // Within a pipeline a command cannot be refused alone.
    if (SCANS.has(name)) return batched ? null : this.#refuseScan(name, command);
    return this.#refuseInTransaction(name, command, batched);
  }

  /** An error that the server sent for a command inside a transaction. */
  noteError(error: Error): void {
    this.#replyErrors.push(error);
  }

  /** The server has refused EXEC: as the caller shall see it. */
  execRefused(error: Error): ExecRefused {
    const previousErrors = this.#replyErrors;
    this.#replyErrors = [];
    const cause = /^EXECABORT .*because of: -?(.+)$/.exec(error.message)?.[1];
    const byExec = rejectionOf(error.message, "exec") ?? rejectionOf(cause ?? "", "exec");
    const byCommands = previousErrors.map(({ message }) => rejectionOf(message, ""));
    const isByCommands = byCommands.length > 0 && !byCommands.includes(null);
    if (byExec === null && !isByCommands) return { error, why: null };
    const codes = byExec === null ? byCommands : [byExec];
    const isShort = codes.every((code) => code === "NOREPLICAS");
    const why = isShort ? "too few replicas are in reach" : "the server leads no longer";
    const message = `EXECABORT The transaction was refused as a whole: ${why}. Nothing was applied, running it again is safe`;
    const fields = { command: "exec", reason: "rejected", previousErrors, cause: error } as const;
    const aborted = new TransactionAbortedError(message, fields);
    return { error: aborted, why: isShort ? "shortage" : "notLeader" };
  }

  /** Its reply brings a cursor, if it is a SCAN, and that belongs to this connection. */
  learn(command: Command): void {
    const name = command.name.toLowerCase();
    if (name === "client") this.#learnOfClient(command);
    if (!SCANS.has(name)) return;
    const { resolve } = command;
    const connection = this.#connection;
    const before = this.#cursors.get(cursorKey(command, cursorOf(command)))?.seen ?? 0;
    command.resolve = (reply: unknown) => {
      if (Array.isArray(reply)) {
        const seen = before + elementsIn(name, reply[1]);
        this.#noteCursor(command, String(reply[0]), { connection, seen });
      }
      resolve(reply);
    };
  }

  #learnOfClient({ args }: Command): void {
    const word = String(args[0]).toUpperCase();
    if (NOT_RESTORED.has(word)) this.#notRestored(`CLIENT ${word}`);
  }

  #noteCursor(
    command: Command,
    cursor: string,
    where: { readonly connection: number; readonly seen: number },
  ): void {
    if (cursor === "0") return;
    if (this.#cursors.size >= MOST_CURSORS) {
      const oldest = this.#cursors.keys().next().value;
      if (oldest !== undefined) this.#cursors.delete(oldest);
    }
    this.#cursors.set(cursorKey(command, cursor), where);
  }

  #refuseScan(name: string, command: Command): Error | null {
    const key = cursorKey(command, cursorOf(command));
    const where = this.#cursors.get(key);
    if (where === undefined || where.connection === this.#connection) return null;
    this.#cursors.delete(key);
    const upper = name.toUpperCase();
    const { seen: keysSeen } = where;
    const message =
      `The leader changed during ${upper}, after ${keysSeen} elements: its cursor belongs to the ` +
      "node that gave it. It was not sent; begin again at cursor 0";
    return new ScanInterruptedError(message, { command: name, keysSeen });
  }

  #refuseInTransaction(name: string, command: Command, batched: boolean): Error | null {
    const hasMoved =
      (this.#watchedOn !== null && this.#watchedOn !== this.#connection) ||
      (this.#multiOn !== null && this.#multiOn !== this.#connection);
    switch (name) {
      case "watch":
        if (this.#watchedOn !== null && hasMoved) return null;
        this.#watchedOn = this.#connection;
        return null;
      case "multi":
        if (!batched) this.#multiOn = this.#connection;
        this.#doomedAtMs = null;
        if (!hasMoved || !batched) return null;
        this.#watchedOn = null;
        return this.#aborted(name);
      case "exec":
      case "discard":
      case "unwatch": {
        const isInside = name === "unwatch" && this.#multiOn !== null;
        if (!isInside) {
          this.#watchedOn = null;
          this.#multiOn = null;
          this.#doomedAtMs = null;
        }
        return hasMoved && name === "exec" ? this.#aborted(name) : null;
      }
      default:
        if (batched || (hasMoved && isRepeatable(name))) return null;
        if (hasMoved && this.#isForgotten()) return null;
        command.inTransaction = true;
        return hasMoved ? this.#aborted(name) : null;
    }
  }

  /** A transaction that is lost, whose caller was told, and did not end it. */
  #isForgotten(): boolean {
    this.#doomedAtMs ??= performance.now();
    if (performance.now() - this.#doomedAtMs < DOOMED_MS) return false;
    this.#watchedOn = null;
    this.#multiOn = null;
    this.#doomedAtMs = null;
    return true;
  }

  #aborted(command: string): Error {
    const message =
      "The leader changed after WATCH or MULTI, which the new one knows nothing of: " +
      `${command.toUpperCase()} was not sent, nothing was applied, and running the whole again is safe`;
    const fields = { command, reason: "leaderChanged", previousErrors: [] } as const;
    return new TransactionAbortedError(message, fields);
  }
}

function cursorOf({ name, args }: Command): string {
  return String(args[name.toLowerCase() === "scan" ? 0 : 1]);
}

/** HSCAN and ZSCAN answer with pairs, unless only the fields are asked for: then twice as many. */
function elementsIn(name: string, reply: unknown): number {
  if (!Array.isArray(reply)) return 0;
  return name === "hscan" || name === "zscan" ? Math.ceil(reply.length / 2) : reply.length;
}

function cursorKey(command: Command, cursor: string): string {
  const name = command.name.toLowerCase();
  return name === "scan" ? `scan ${cursor}` : `${name} ${String(command.args[0])} ${cursor}`;
}
