/**
 * What is asked for in one go, until the event loop is given back: it shares one look at the clock,
 * one note, and one system call.
 *
 * Guarantees: what is written in a turn leaves with its end, in the order of the calls; after it
 * nothing of it is referred to. ioredis by itself pays a system call for each command.
 */
import type { Command, Redis } from "ioredis";
import { noteAt, type Note, type ResolvedOptions, type Stream } from "./operation.ts";

type Socket = Pick<Redis["stream"], "cork" | "uncork">;

export class Turn {
  #socket: Socket | null = null;
  /** When it began. */
  atMs = 0;
  #note: Note | null = null;
  #stream: Stream = undefined;
  #batch: Command[] = [];
  #batchNote: Note | null = null;

  /** Before something is written to this socket. */
  begin(socket: Socket): void {
    if (this.#socket === socket) return;
    if (this.#socket === null) process.nextTick(this.#end);
    else this.#socket.uncork();
    this.#socket = socket;
    this.atMs = performance.now();
    this.#note = null;
    this.#batchNote = null;
    socket.cork();
  }

  /** The note of a command by itself; those of one turn are alike. */
  noteOne(options: ResolvedOptions): Note {
    if (this.#note === null || this.#note.options !== options) {
      this.#note = noteAt(this.atMs, options, null);
    }
    return this.#note;
  }

  /** The note that the commands of one pipeline share: nothing interrupts the loop of it. */
  noteBatched(command: Command, stream: Stream, options: ResolvedOptions): Note {
    if (this.#batchNote === null || this.#stream !== stream) {
      this.#stream = stream;
      this.#batch = [];
      this.#batchNote = noteAt(this.atMs, options, this.#batch);
    }
    this.#batch.push(command);
    return this.#batchNote;
  }

  readonly #end = (): void => {
    this.#socket?.uncork();
    this.#socket = null;
    this.#note = null;
    this.#stream = undefined;
    this.#batch = [];
    this.#batchNote = null;
  };
}
