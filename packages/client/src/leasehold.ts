/**
 * A client of one group: its topology, its connections, its events.
 *
 * Guarantees: nothing of it keeps running after `close`; its events carry frozen objects, and a
 * listener that throws breaks nobody else's.
 */
import { EventEmitter } from "node:events";
import type { Redis } from "ioredis";
import { bullmqPlan, type BullmqKind } from "./bullmq.ts";
import { parseConnectionString } from "./connection-string.ts";
import { Connections, preflightOptions } from "./connections.ts";
import { LeaderUnavailableError, OperationTimeoutError } from "./errors.ts";
import type { LeaseholdEvents } from "./events.ts";
import { CORE, type Follower } from "./follower.ts";
import type { OperationOptions } from "./operation.ts";
import { viewOf } from "./operation-view.ts";
import {
  resolveOperation,
  settingsOf,
  type LeaseholdOptions,
  type RedisClientOptions,
  type Settings,
} from "./options.ts";
import type { DurableCommands, WriteConcern } from "./durable.ts";
import { Pools } from "./pools.ts";
import { profileDefaults, type Profile } from "./profile.ts";
import type { ReadCommands } from "./read-commands.ts";
import type { ReadPreference, ReadPreferenceMode } from "./selection.ts";
import { runTransaction, type TransactionBody, type TransactionOptions } from "./transaction.ts";
import { probeTools } from "./probe.ts";
import { forwardEvents, frozen } from "./forward-events.ts";
import { checkIoredis } from "./ioredis-contract.ts";
import { answerReadings, providerNameOf, type ClientReading } from "./readings.ts";
import { Monitor } from "./topology/monitor.ts";
import type { Epoch, NodeDescription, TopologyDescription } from "./types.ts";

/** Of another connection: what is not given, the client's options say. */
export interface ConnectionOptions extends OperationOptions {
  /** What it is for. Default `default`: as `leader`. */
  readonly profile?: Profile;
  /** In place of the same options of the client. */
  readonly redis?: RedisClientOptions;
}

/** Of a connection for reads. */
export interface ReaderOptions {
  /** Default: the client's `readPreference`. */
  readonly preference?: ReadPreferenceMode | ReadPreference;
  /** What it is for. Default `default`. */
  readonly profile?: Profile;
}

/** For a readiness probe. */
export interface HealthReport {
  /** The leader has answered a `PING`. */
  readonly ok: boolean;
  /** Null: none is known. */
  readonly leader: NodeDescription | null;
  /** Its answer, the wait for a leader included; null: there was none. */
  readonly pingMs: number | null;
  /** In words; empty when all is well. */
  readonly reason: string;
}

/** A client of one group: `createLeasehold` makes it. Nothing of it keeps running after `close`. */
export class Leasehold extends EventEmitter<LeaseholdEvents> implements AsyncDisposable {
  /** Follows the leader. A genuine ioredis: whatever is written for one works with it. */
  readonly leader: Redis;
  readonly #settings: Settings;
  readonly #monitor: Monitor;
  readonly #connections: Connections;
  readonly #follower: Follower;
  readonly #pools: Pools;
  readonly #stopAnswering: () => void;
  #isClosed = false;

  /** @internal Use `createLeasehold`. */
  constructor(options: LeaseholdOptions) {
    super();
    checkIoredis();
    const settings = settingsOf(options);
    this.#settings = settings;
    this.#monitor = new Monitor(settings.providers, probeTools(preflightOptions(settings)));
    const events = forwardEvents(this, this.#monitor, settings.logger);
    this.#connections = new Connections(settings, this.#monitor, events);
    this.#follower = this.#connections.create({ operation: settings.operation });
    this.leader = this.#follower;
    this.#pools = new Pools(settings, this.#monitor, this.#connections);
    this.#monitor.listen({
      announced: ({ deadlineMs }) => {
        for (const follower of this.#connections.all()) follower.hold(deadlineMs);
      },
    });
    this.#stopAnswering = answerReadings(() => this.#read());
    this.#monitor.start();
  }

  /** What is known of the group now. */
  get topology(): TopologyDescription {
    return frozen(this.#monitor.current());
  }

  /**
   * Another connection that follows the leader: for what blocks, subscribes or has deadlines of
   * its own. It ends with the client, or by its own `quit()` or `disconnect()`.
   *
   * @throws InvalidOptionError
   */
  connection(options: ConnectionOptions = {}): Redis {
    const { redis, profile, ...operation } = options;
    const standard = profileDefaults(profile);
    return this.#connections.create({
      operation: resolveOperation(
        { ...standard.operation, ...operation },
        this.#settings.operation,
      ),
      redis: { ...standard.redis, ...redis },
    });
  }

  /**
   * For BullMQ: `producer` for Queue, `worker` for Worker, QueueEvents and FlowProducer. Its errors
   * have the message by which BullMQ knows a lost connection; `cause` has the client's own.
   */
  bullmqConnection(kind: BullmqKind, overrides: OperationOptions = {}): Redis {
    return this.#connections.create(bullmqPlan(kind, overrides, this.#settings.operation));
  }

  /**
   * `leader` with a deadline and a signal of its own: the same connection. What is over its time
   * rejects with `OperationTimeoutError`, `not-applied` if it was never sent.
   *
   * @throws InvalidOptionError
   */
  withOptions(options: OperationOptions): Redis {
    return viewOf(this.#follower, resolveOperation(options, this.#settings.operation));
  }

  /**
   * A connection to one node that fits, for reads only; it moves when that stops fitting. Commands
   * that may write reject with `ReadOnlyConnectionError`; where no node fits, all reject with
   * `NoEligibleNodeError`.
   */
  reader(options: ReaderOptions = {}): Redis {
    const { preference = this.#settings.readPreference, profile } = options;
    return this.#pools.reader(preference, profileDefaults(profile));
  }

  /**
   * Reads that choose a node each. They reject with `NoEligibleNodeError` when none fits within
   * `waitForLeaderMs`.
   *
   * @throws InvalidOptionError
   */
  withReadPreference(preference: ReadPreferenceMode | ReadPreference): ReadCommands {
    return this.#pools.readCommands(preference);
  }

  /**
   * Writes that are done when so many copies have them, on connections of their own. They reject
   * with `WriteConcernError`: `applied` when too few copies said so in time, `unknown` when the
   * leader changed meanwhile and nothing proves that the new one has it; with
   * `WriteConcernUnsupportedError` when nobody can hold it.
   *
   * @throws InvalidOptionError
   */
  withWriteConcern(concern: WriteConcern): DurableCommands {
    return this.#pools.durableCommands(concern);
  }

  /**
   * Runs `body` on a connection of its own, and again when the leader changed and nothing ran.
   * Rejects with what `body` does, or with `TransactionAbortedError`.
   */
  transaction<T>(body: TransactionBody<T>, options: TransactionOptions = {}): Promise<T> {
    const { maxAttempts = 5, ...rest } = options;
    const operation = resolveOperation(rest, this.#settings.operation);
    return runTransaction(body, { operation, maxAttempts }, this.#pools);
  }

  /**
   * Resolves when there is a leader, newer than `newerThan` if that is given. Rejects with
   * `LeaderUnavailableError` after `timeoutMs`, by default `waitForLeaderMs`, or when aborted.
   */
  waitForLeader(
    options: {
      readonly timeoutMs?: number;
      readonly signal?: AbortSignal;
      readonly newerThan?: Epoch;
    } = {},
  ): Promise<NodeDescription> {
    const { timeoutMs = this.#settings.operation.waitForLeaderMs, signal, newerThan } = options;
    const find = (): NodeDescription | null => {
      const { leader, epoch } = this.#monitor.description;
      return newerThan !== undefined && (epoch === null || epoch <= newerThan) ? null : leader;
    };
    return new Promise((resolve, reject) => {
      const startedAtMs = performance.now();
      const end = (): void => {
        clearTimeout(timer);
        stop();
        signal?.removeEventListener("abort", fail);
      };
      const look = (): void => {
        const leader = find();
        if (!leader) return;
        end();
        resolve(leader);
      };
      const fail = (): void => {
        end();
        const waitedMs = performance.now() - startedAtMs;
        const lastLeader = this.#monitor.description.leader;
        const fields = {
          waitedMs,
          lastLeader,
          lostForMs: null,
          reason: this.#follower[CORE].source.trouble,
        };
        const which = newerThan === undefined ? "" : ` newer than epoch ${newerThan}`;
        const trouble = this.#follower[CORE].source.trouble || "none is known";
        const message = `No leader${which} within ${Math.round(waitedMs)} ms: ${trouble}. See "leasehold status"`;
        reject(new LeaderUnavailableError(message, fields));
      };
      const timer = setTimeout(fail, timeoutMs);
      const stop = this.#monitor.listen({ changed: look });
      signal?.addEventListener("abort", fail, { once: true });
      if (signal?.aborted) fail();
      else look();
    });
  }

  /** For readiness probes. Never throws; takes `handshakeTimeoutMs` at most. */
  async check(): Promise<HealthReport> {
    const { leader } = this.#monitor.description;
    const timeoutMs = this.#settings.handshakeTimeoutMs;
    const startedAtMs = performance.now();
    try {
      await this.withOptions({ timeoutMs, waitForLeaderMs: timeoutMs }).ping();
      return { ok: true, leader, pingMs: performance.now() - startedAtMs, reason: "" };
    } catch (error) {
      return { ok: false, leader, pingMs: null, reason: this.#whyUnwell(error, timeoutMs) };
    }
  }

  #whyUnwell(error: unknown, timeoutMs: number): string {
    const isLate = error instanceof OperationTimeoutError;
    if (isLate && error.phase === "written") {
      return `${this.#follower[CORE].name} has not answered a PING within ${timeoutMs} ms`;
    }
    if (!isLate && !(error instanceof LeaderUnavailableError)) {
      return error instanceof Error ? error.message : String(error);
    }
    const { trouble, lostBecause } = this.#follower[CORE].surroundings();
    const held = this.leader.status === "ready" ? "a planned change is under way" : lostBecause;
    return `no leader within ${timeoutMs} ms: ${trouble || held || "it is being connected to"}`;
  }

  /** Takes nothing more, waits for what is under way, `drainMs` at most, and settles the rest. */
  async close({ drainMs = 1_000 }: { readonly drainMs?: number } = {}): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#connections.drain(drainMs);
    await this.#connections.closeAll();
    this.#monitor.stop();
    this.#stopAnswering();
    this.emit("closed");
  }

  #read(): ClientReading {
    const queued = { leader: 0, reader: 0 };
    for (const { own, path } of this.#connections.all()) {
      queued[own.followsLeader ? "leader" : "reader"] += path.queued;
    }
    const { nodes } = this.#monitor.current();
    const sources = this.#monitor.ages().map(({ source, ageMs }) => ({
      provider: providerNameOf(source),
      ageMs,
    }));
    return { queued, replicas: nodes.filter(({ role }) => role === "replica"), sources };
  }

  /** `await using client = createLeasehold(…)`: closes it with its defaults. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Connects to a group. The connection is made in the background; operations wait for it. Options
 * beside a connection string come before what it says.
 *
 * @throws InvalidOptionError naming the option
 */
export function createLeasehold(options: LeaseholdOptions): Leasehold;
export function createLeasehold(url: string, options?: Partial<LeaseholdOptions>): Leasehold;
export function createLeasehold(
  from: string | LeaseholdOptions,
  options: Partial<LeaseholdOptions> = {},
): Leasehold {
  if (typeof from !== "string") return new Leasehold(from);
  const parsed = parseConnectionString(from);
  return new Leasehold({ ...parsed, ...options, redis: { ...parsed.redis, ...options.redis } });
}
