/**
 * What is asked for in one go, until the event loop is given back: it shares one look at the clock,
 * one note, and one system call.
 *
 * Guarantees: what is written in a turn leaves with its end, in the order of the calls; after it
 * nothing of it is referred to. ioredis by itself pays a system call for each command.
 */
import type { Command, Redis } from "ioredis";
import { note, noteOf, WrittenNote, type Note, type ResolvedOptions } from "./operation.ts";

type Socket = Pick<Redis["stream"], "cork" | "uncork">;

export class Turn {
  #socket: Socket | null = null;
  /** When it began. */
  atMs = 0;
  #note: Note | null = null;
  #stream: object | null = null;
  #batch: Note["batch"] = null;

  /** Before something is written to this socket. */
  begin(socket: Socket): void {
    if (this.#socket === socket) return;
    if (this.#socket === null) process.nextTick(this.#end);
    else this.#socket.uncork();
    this.#socket = socket;
    this.atMs = performance.now();
    this.#note = null;
    socket.cork();
  }

  /** The note of a command by itself; those of one turn are alike. */
  noteOne(options: ResolvedOptions): Note {
    if (this.#note === null || this.#note.options !== options) {
      this.#note = new WrittenNote(this.atMs, options, null);
    }
    return this.#note;
  }

  /**
   * The note of a pipeline, on its stream for all its commands. `batched`: one of them; null if
   * ioredis has made it of single calls, which are no batch.
   */
  noteIn(stream: object, options: ResolvedOptions, batched: Command | null): void {
    if (this.#stream !== stream) {
      this.#stream = stream;
      // A listener to `select` may have sent another pipeline in the middle of this one.
      this.#batch = (noteOf(stream) ?? this.#noteNew(stream, options, batched !== null)).batch;
    }
    if (batched) this.#batch?.push(batched);
  }

  #noteNew(stream: object, options: ResolvedOptions, isBatch: boolean): Note {
    // No literal, for the same reason as the note.
    const batch = isBatch ? Array.of<Command>() : null;
    return note(stream, new WrittenNote(this.atMs, options, batch));
  }

  readonly #end = (): void => {
    this.#socket?.uncork();
    this.#socket = null;
    this.#note = null;
    this.#stream = null;
    this.#batch = null;
  };
}
