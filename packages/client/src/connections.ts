/**
 * Makes the connections of a client, and knows all of them.
 *
 * Guarantees: each shares the client's one topology; `closeAll` ends every one that was ever made,
 * duplicates included, and from `drain` on none is made.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RedisOptions } from "ioredis";
import { ClientClosedError, InvalidOptionError } from "./errors.ts";
import { CORE, Follower } from "./follower.ts";
import type { FollowerCore } from "./follower-core.ts";
import type { FollowerEvents, FollowerLink, FollowerOptions } from "./follower-link.ts";
import type { Route } from "./leader-connector.ts";
import type { ResolvedOptions } from "./operation.ts";
import { OWNED_OPTIONS, type RedisClientOptions, type Settings } from "./options.ts";
import { preflight, type PreflightOptions } from "./preflight.ts";
import type { Monitor } from "./topology/monitor.ts";
import type { CheckReason } from "./types.ts";

export interface ConnectionPlan {
  readonly operation: ResolvedOptions;
  readonly redis?: RedisOptions;
  readonly readOnly?: boolean;
  readonly route?: Route;
  readonly translate?: (error: Error) => Error;
  readonly unavailable?: (waitedMs: number) => Error;
  /** Of a connection through an address that several nodes share. Default: none. */
  readonly maxAgeMs?: number;
}

const CHECK_REASONS: Record<Parameters<Route["failed"]>[0], CheckReason> = {
  unreachable: "connectionLost",
  refused: "roleMismatch",
  nowhere: "noLeader",
  short: "rejected",
  redirected: "redirected",
};

/** Their cursors and promises belong to one connection: a pipeline could not refuse one of them. */
const NEVER_PIPELINED = ["scan", "sscan", "hscan", "zscan", "watch", "unwatch", "exec", "discard"];

/** A socket that is closed gets 50 ms for replies on their way; this is for its events, too. */
const CLOSE_MS = 500;

export class Connections {
  readonly #settings: Settings;
  readonly #monitor: Monitor;
  readonly #events: FollowerEvents;
  #made = 0;
  #isClosed = false;
  #isVerifying = false;
  readonly #open = new Set<FollowerCore>();
  /** Why a source of topology could not look, since a leader was known. */
  #fault = "";
  readonly #plans = new WeakMap<FollowerCore, { plan: ConnectionPlan; redis: RedisOptions }>();

  constructor(settings: Settings, monitor: Monitor, events: FollowerEvents) {
    this.#settings = settings;
    this.#monitor = monitor;
    this.#events = events;
    monitor.listen({
      doubted: () => this.#verifyLeader(),
      changed: ({ leader }) => void (leader && (this.#fault = "")),
      fault: (provider, error) => void (this.#fault = `; ${provider}: ${textOf(error)}`),
    });
  }

  get size(): number {
    return this.#open.size;
  }

  /** For pauses and choices that nobody needs to repeat. */
  draw(): number {
    // oxlint-disable-next-line no-restricted-properties
    return Math.random();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  all(): readonly FollowerCore[] {
    return [...this.#open];
  }

  create(plan: ConnectionPlan): Follower {
    if (this.#isClosed) {
      throw new ClientClosedError("The client is closed: create another one", "not-applied");
    }
    // One connection speaks for the leader, or each change would be told often.
    const isFirst = this.#made === 0;
    this.#made += 1;
    const redis = this.#redisOptions(plan.redis ?? {});
    const checks = preflightOptions({ ...this.#settings, redis });
    const link = this.#link(plan, checks, isFirst);
    const follower = new Follower(redis, this.#ownOptions(plan), link);
    this.#plans.set(follower[CORE], { plan, redis });
    return follower;
  }

  /** Takes nothing more, and resolves when nothing is under way, `drainMs` later at the latest. */
  async drain(drainMs: number): Promise<void> {
    this.#isClosed = true;
    const endAtMs = performance.now() + drainMs;
    const isBusy = (): boolean => this.all().filter((core) => core.finishUp()).length > 0;
    while (isBusy() && performance.now() < endAtMs) await sleep(2);
  }

  /** Ends all, and resolves when what they had is settled. */
  async closeAll(): Promise<void> {
    for (const core of this.all()) core.redis.disconnect();
    const endAtMs = performance.now() + CLOSE_MS;
    while (this.#open.size > 0 && performance.now() < endAtMs) await sleep(1);
  }

  leaderRoute(): Route {
    const monitor = this.#monitor;
    return {
      destination() {
        const target = monitor.target();
        if (!target) return null;
        const { host, port, id } = target.node;
        return { host, port, tag: target.tag, name: id, isShared: false };
      },
      admit(_destination, proof) {
        const target = monitor.target();
        if (!target) return { admitted: false, why: "nobody is known to lead" };
        return monitor.admit(target, proof);
      },
      failed(kind) {
        const reason = CHECK_REASONS[kind];
        if (kind === "short") monitor.requestCheck(reason);
        else monitor.leaderFailed(reason);
      },
      whyNowhere: () => `nobody is known to lead${this.#fault}`,
      onChange: (listener) => monitor.listen({ changed: listener }),
    };
  }

  /**
   * Asks the leader over a connection that stands, since behind a Service a new one may lead
   * elsewhere. Without any there is nothing to ask: that it was lost, is known.
   */
  #verifyLeader(): void {
    if (this.#isVerifying) return;
    const core = this.all().find((one) => one.own.followsLeader && one.canBeAsked);
    if (!core) return;
    this.#isVerifying = true;
    const take = (found: unknown): void => {
      this.#isVerifying = false;
      // Without an answer the connection's own watchdog cuts it, which is a failure, too.
      if ((found !== "replica" && found !== "slave") || this.#isClosed) return;
      const node = core.name ?? "";
      this.#events.roleCheckFailed({ node, expected: "leader", found: "it is a replica" });
      this.#monitor.leaderFailed("roleMismatch");
    };
    void core.role(this.#settings.handshakeTimeoutMs).then(take);
  }

  #redisOptions(given: RedisOptions): RedisOptions {
    const own = Object.fromEntries(
      Object.entries(given).filter(([name]) => !OWNED.has(name)),
    ) as RedisClientOptions;
    const { redis } = this.#settings;
    const ignored = [
      ...(redis.autoPipeliningIgnoredCommands ?? []),
      ...(own.autoPipeliningIgnoredCommands ?? []),
      ...NEVER_PIPELINED,
    ];
    return { ...redis, ...own, autoPipeliningIgnoredCommands: ignored };
  }

  #ownOptions(plan: ConnectionPlan): FollowerOptions {
    const { drainMs, maxQueued, replyTimeoutMs, blockingMarginMs } = this.#settings;
    const { heartbeatIntervalMs, handshakeTimeoutMs } = this.#settings;
    return {
      operation: plan.operation,
      watchdog: {
        replyTimeoutMs,
        blockingMarginMs,
        heartbeatIntervalMs,
        heartbeatTimeoutMs: handshakeTimeoutMs,
      },
      drainMs,
      maxQueued,
      followsLeader: plan.readOnly !== true,
      readOnly: plan.readOnly === true,
      maxAgeMs: plan.maxAgeMs ?? null,
      unavailable: plan.unavailable ?? null,
      translate: plan.translate ?? ((error) => error),
    };
  }

  /** `checks`: with the connection's own TLS and password, or its bytes would go in clear. */
  #link(plan: ConnectionPlan, checks: PreflightOptions, isFirst: boolean): FollowerLink {
    const monitor = this.#monitor;
    return {
      route: plan.route ?? this.leaderRoute(),
      open: async ({ host, port }, signal) => {
        // A reader would be sent away by the very replica that it was to read from.
        const options = { ...checks, isRedirected: plan.readOnly !== true };
        const checked = await preflight({ host, port }, options, signal);
        monitor.proved({ host, port }, checked.proof);
        return checked;
      },
      answered: ({ destination, proof }, rttMs) => {
        monitor.answered(destination, proof.localAddress, rttMs);
      },
      draw: () => this.draw(),
      spreadMs: (follower) => {
        const [first] = this.#open;
        return first === follower ? 0 : this.draw() * this.#settings.reconnectSpreadMs;
      },
      duplicate: (follower, override) => {
        const made = this.#plans.get(follower);
        return this.create({ ...(made?.plan ?? plan), redis: { ...made?.redis, ...override } });
      },
      lastLeader: (destination) => {
        const { nodes, leader, epoch } = monitor.description;
        const node = nodes.find(({ id }) => id === destination?.name) ?? leader;
        return { lastLeader: node, lastEpoch: epoch };
      },
      opened: (follower) => void this.#open.add(follower),
      closed: (follower) => void this.#open.delete(follower),
      events: isFirst ? this.#events : { ...this.#events, lost: () => {}, ready: () => {} },
    };
  }
}

const OWNED: ReadonlySet<string> = new Set(OWNED_OPTIONS);

/** With its causes: a password that is wrong is the cause of a node that cannot be looked at. */
function textOf({ message, cause }: Error): string {
  const text = message.replace(/\.$/, "");
  return cause instanceof Error ? `${text}: ${textOf(cause)}` : text;
}

export function preflightOptions(settings: Settings): PreflightOptions {
  const { redis, connectTimeoutMs, handshakeTimeoutMs } = settings;
  if (redis.tls && typeof redis.tls !== "object") {
    // Not plain text, since somebody meant the opposite.
    throw new InvalidOptionError("redis.tls", "give an object of options, {} for the defaults");
  }
  return {
    tls: redis.tls || undefined,
    username: redis.username,
    password: redis.password ?? undefined,
    connectTimeoutMs,
    handshakeTimeoutMs,
    isRedirected: false,
  };
}
