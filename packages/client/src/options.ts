/**
 * The options of a client: their defaults, and what is refused before anything is connected.
 */
import type { RedisOptions } from "ioredis";
import { InvalidOptionError } from "./errors.ts";
import type { OperationOptions, ResolvedOptions } from "./operation.ts";
import type { ReadPreference, ReadPreferenceMode } from "./selection.ts";
import type { Logger, TopologyProvider } from "./types.ts";

/** What the client sets itself. Given by a caller it is a type error, and an error at run time. */
export type OwnedRedisOption = (typeof OWNED_OPTIONS)[number];

export const OWNED_OPTIONS = [
  ...(["host", "port", "path", "family", "sentinels", "name", "role", "readOnly"] as const),
  ...(["monitor", "Connector", "reconnectOnError", "retryStrategy"] as const),
  ...(["autoResendUnfulfilledCommands", "enableOfflineQueue", "enableReadyCheck"] as const),
  ...(["maxRetriesPerRequest", "commandTimeout", "socketTimeout", "connectTimeout"] as const),
  ...(["blockingTimeout", "keepAlive"] as const),
] as const;

/** Options of ioredis that are the caller's: authentication, TLS, database, key prefix and more. */
export type RedisClientOptions = Omit<RedisOptions, OwnedRedisOption>;

/** Of a client. Times are in milliseconds; `Infinity` is allowed. */
export interface LeaseholdOptions {
  /** Who says where the leader is. Several: the greatest epoch counts. */
  readonly topology: TopologyProvider | readonly TopologyProvider[];
  /** User, password, TLS, database, key prefix and whatever else is ioredis' own. */
  readonly redis?: RedisClientOptions;
  /** Of `reader()` that is given none. Default `primary`. */
  readonly readPreference?: ReadPreferenceMode | ReadPreference;
  /** How long an operation may wait for a leader, in all. 0: not at all. Default 15000 ms. */
  readonly waitForLeaderMs?: number;
  /** Silence after which a server that owes a reply is given up. Default 5000 ms. */
  readonly replyTimeoutMs?: number;
  /** Total of an operation; keeps the connection. Default: none. */
  readonly timeoutMs?: number;
  /** Added to the time that a blocking command asks for. Default 10000 ms. */
  readonly blockingMarginMs?: number;
  /** TCP and TLS. Default 2000 ms. */
  readonly connectTimeoutMs?: number;
  /** The answer to "who are you", and to a heartbeat. Default 2000 ms. */
  readonly handshakeTimeoutMs?: number;
  /** Idle connections are asked PING. Default 2000 ms, at least 500; 0: they are not. */
  readonly heartbeatIntervalMs?: number;
  /**
   * For replies that are on their way when the leader changes unannounced. Default 50 ms. An
   * announced change is waited for until held writes are answered, 300 ms.
   */
  readonly drainMs?: number;
  /** Random delay of all connections but the first after a change. Default 100 ms. */
  readonly reconnectSpreadMs?: number;
  /** Commands that may wait at each connection, those of pipelines counted. Default 10000. */
  readonly maxQueued?: number;
  /** Whether to send a write again whose reply was lost. Default `never`: it could run twice. */
  readonly replayUnknown?: OperationOptions["replayUnknown"];
  /** Connections for writes with a concern. Default 2. */
  readonly durableConnections?: number;
  /** Connections of `withReadPreference` to each node, made when they are wanted. Default 1. */
  readonly connectionsPerReplica?: number;
  /**
   * A reader through a read Service is connected anew after that time, give or take 10 %, since it
   * would stay with one pod. Default 300000 ms. Of an address of one node it is not counted.
   */
  readonly readerMaxAgeMs?: number;
  /** Where this process runs; never guessed. */
  readonly zone?: string;
  /** Nothing is logged without one. */
  readonly logger?: Logger;
}

export interface Settings {
  readonly providers: readonly TopologyProvider[];
  readonly redis: RedisClientOptions;
  readonly operation: ResolvedOptions;
  readonly replyTimeoutMs: number;
  readonly blockingMarginMs: number;
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly drainMs: number;
  readonly reconnectSpreadMs: number;
  readonly maxQueued: number;
  readonly durableConnections: number;
  readonly connectionsPerReplica: number;
  readonly readerMaxAgeMs: number;
  readonly readPreference: ReadPreferenceMode | ReadPreference;
  readonly zone: string | null;
  readonly logger: Logger | null;
}

const MOST_MS = 2 ** 31 - 1;

export function settingsOf(options: LeaseholdOptions): Settings {
  const { topology, redis = {} } = options;
  const providers: readonly TopologyProvider[] = "start" in topology ? [topology] : topology;
  if (providers.length === 0) {
    throw new InvalidOptionError("topology", "give at least one provider");
  }
  for (const name of OWNED_OPTIONS) {
    if (Object.hasOwn(redis, name)) {
      throw new InvalidOptionError(`redis.${name}`, "the client decides this itself: leave it out");
    }
  }
  const span = (name: keyof LeaseholdOptions, standard: number, least = 0): number =>
    spanOf(options[name], name, { standard, least });
  const heartbeatIntervalMs = span("heartbeatIntervalMs", 2_000);
  if (heartbeatIntervalMs > 0 && heartbeatIntervalMs < 500) {
    throw new InvalidOptionError("heartbeatIntervalMs", "must be 0 or at least 500");
  }
  return {
    providers,
    redis,
    operation: {
      timeoutMs: options.timeoutMs === undefined ? null : span("timeoutMs", 0, 1),
      waitForLeaderMs: span("waitForLeaderMs", 15_000),
      signal: null,
      replayUnknown: options.replayUnknown ?? "never",
      resendRejected: true,
    },
    replyTimeoutMs: span("replyTimeoutMs", 5_000, 1),
    blockingMarginMs: span("blockingMarginMs", 10_000),
    connectTimeoutMs: span("connectTimeoutMs", 2_000, 1),
    handshakeTimeoutMs: span("handshakeTimeoutMs", 2_000, 1),
    heartbeatIntervalMs,
    drainMs: span("drainMs", 50),
    reconnectSpreadMs: span("reconnectSpreadMs", 100),
    maxQueued: span("maxQueued", 10_000, 1),
    durableConnections: span("durableConnections", 2, 1),
    connectionsPerReplica: span("connectionsPerReplica", 1, 1),
    readerMaxAgeMs: span("readerMaxAgeMs", 300_000, 1),
    readPreference: options.readPreference ?? "primary",
    zone: options.zone ?? null,
    logger: options.logger ?? null,
  };
}

function spanOf(
  given: unknown,
  name: keyof LeaseholdOptions,
  bounds: { readonly standard: number; readonly least: number },
): number {
  const value = given ?? bounds.standard;
  if (value === Infinity) return MOST_MS;
  if (typeof value !== "number" || !Number.isFinite(value) || value < bounds.least) {
    throw new InvalidOptionError(name, `must be a number from ${bounds.least} on`);
  }
  return Math.min(value, MOST_MS);
}

export function resolveOperation(
  options: OperationOptions,
  standard: ResolvedOptions,
): ResolvedOptions {
  const { timeoutMs, waitForLeaderMs } = options;
  return {
    ...standard,
    timeoutMs:
      timeoutMs === undefined
        ? standard.timeoutMs
        : spanOf(timeoutMs, "timeoutMs", { standard: 0, least: 1 }),
    waitForLeaderMs: spanOf(waitForLeaderMs, "waitForLeaderMs", {
      standard: standard.waitForLeaderMs,
      least: 0,
    }),
    signal: options.signal ?? standard.signal,
    replayUnknown: options.replayUnknown ?? standard.replayUnknown,
  };
}
