/**
 * Gives ioredis its socket: one that leads to the present leader, and has said so itself.
 *
 * Guarantees: `connect` never rejects (ioredis would give up for ever); it waits inside for a
 * leader, with a bounded pace of attempts; a disconnect meanwhile resolves it with a destroyed
 * socket, which ioredis takes for a closed connection. Whoever asks what is wrong, finds it in
 * `trouble`.
 */
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { AbstractConnector } from "ioredis";
import { backoffMs } from "./backoff.ts";
import type { Checked } from "./preflight.ts";
import type { NodeProof } from "./types.ts";

type NetStream = Socket | TLSSocket;

/** One place to go, as its owner sees it. */
export interface Destination {
  readonly host: string;
  readonly port: number;
  /** What a connection there belongs to; another tag means another connection. */
  readonly tag: string;
  readonly name: string;
  /** One address of several nodes: a new connection may lead to another one. */
  readonly isShared: boolean;
}

export type Admission =
  | { readonly admitted: true }
  | { readonly admitted: false; readonly why: string };

/** What decides where to go. */
export interface Route {
  /** Null: nowhere now. */
  destination(): Destination | null;
  admit(destination: Destination, proof: NodeProof): Admission;
  /**
   * An attempt failed, there is nowhere to go, who leads has too few replicas (`short`), or has
   * named another one that leads in its place (`redirected`).
   */
  failed(kind: "unreachable" | "refused" | "nowhere" | "short" | "redirected"): void;
  /** Why there is no destination, in words. */
  whyNowhere(): string;
  /** Calls back once, when `destination` may answer something else. */
  onChange(listener: () => void): () => void;
}

export interface ConnectorLink {
  readonly route: Route;
  open(destination: Destination, signal: AbortSignal): Promise<Checked>;
  /** Called with the socket before ioredis knows of it. */
  connected(socket: NetStream, destination: Destination, proof: NodeProof): void;
  failed(error: Error): void;
  refused(name: string, why: string): void;
  draw(): number;
  /** To wait before the first attempt of a connection. */
  spreadMs(): number;
}

const CLOSE_GRACE_MS = 50;

export class LeaderConnector extends AbstractConnector {
  readonly #link: ConnectorLink;
  #attempt: AbortController | null = null;
  #current: NetStream | null = null;
  /** Null: there is nowhere to go. */
  #trouble: string | null = "not connected yet";

  constructor(link: ConnectorLink) {
    super(CLOSE_GRACE_MS);
    this.#link = link;
  }

  /** Why there is no connection, in words. */
  get trouble(): string {
    return this.#trouble ?? this.#link.route.whyNowhere();
  }

  async connect(): Promise<NetStream> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    const socket = await this.#resolve(attempt.signal);
    if (this.#attempt === attempt) this.#attempt = null;
    // Given up in the very moment in which it succeeded.
    if (attempt.signal.aborted) socket.destroy();
    return socket;
  }

  override disconnect(): void {
    this.#attempt?.abort();
    const socket = this.#current;
    if (!socket || socket.destroyed || socket.writableEnded) return;
    // Replies that are on their way still arrive; a server that is stopped gets no more time.
    const timer = setTimeout(() => socket.destroy(), CLOSE_GRACE_MS);
    socket.once("close", () => clearTimeout(timer));
    socket.end();
  }

  /** Cuts the connection at once; an attempt begins anew. */
  cut(): void {
    this.#current?.destroy();
  }

  async #resolve(signal: AbortSignal): Promise<NetStream> {
    const { route } = this.#link;
    const spreadMs = this.#link.spreadMs();
    if (spreadMs > 0) await sleep(spreadMs, undefined, { signal }).catch(() => {});
    for (let failures = 0; !signal.aborted;) {
      const destination = route.destination();
      if (!destination) {
        this.#trouble = null;
        route.failed("nowhere");
        await this.#pause(null, signal);
        continue;
      }
      const socket = await this.#try(destination, signal);
      if (socket) return socket;
      if (signal.aborted) break;
      await this.#pause(
        backoffMs(failures, () => this.#link.draw()),
        signal,
      );
      // Another place deserves a fresh start.
      failures = route.destination()?.tag === destination.tag ? failures + 1 : 0;
    }
    return destroyedSocket();
  }

  async #try(destination: Destination, signal: AbortSignal): Promise<NetStream | null> {
    const { route } = this.#link;
    const where = `${destination.name} (${destination.host}:${destination.port})`;
    // A change of leader ends an attempt that hangs on the old one.
    const attempt = new AbortController();
    const give = (): void => attempt.abort();
    signal.addEventListener("abort", give, { once: true });
    const stop = route.onChange(() => {
      if (route.destination()?.tag !== destination.tag) give();
    });
    try {
      const { socket, proof } = await this.#link.open(destination, attempt.signal);
      const admission = route.admit(destination, proof);
      // What the socket said may itself have named the leader: then this is where to go.
      const now = route.destination();
      const isThere = now?.host === destination.host && now.port === destination.port;
      if (admission.admitted && isThere && !signal.aborted) {
        this.#trouble = "";
        this.#current = socket;
        this.#link.connected(socket, now, proof);
        return socket;
      }
      socket.destroy();
      if (!admission.admitted) {
        this.#trouble = `${where} was refused: ${admission.why}`;
        route.failed("refused");
        this.#link.refused(destination.name, admission.why);
      }
      return null;
    } catch (error) {
      if (attempt.signal.aborted) return null;
      const message = error instanceof Error ? error.message : String(error);
      this.#trouble = `${where} cannot be used: ${message}`;
      route.failed("unreachable");
      this.#link.failed(new Error(this.#trouble, { cause: error }));
      return null;
    } finally {
      stop();
      signal.removeEventListener("abort", give);
    }
  }

  /** Until the time is over (null: for ever), the leader changes, or nobody wants it any more. */
  #pause(ms: number | null, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        stop();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = ms === null ? undefined : setTimeout(done, ms);
      const stop = this.#link.route.onChange(done);
      signal.addEventListener("abort", done, { once: true });
      if (signal.aborted) done();
    });
  }
}

function destroyedSocket(): Socket {
  const socket = new Socket();
  socket.on("error", () => {});
  socket.destroy();
  return socket;
}
