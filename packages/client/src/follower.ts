/**
 * An ioredis that stays connected to the present leader, and settles each command with a definite
 * answer: applied, not applied, or unknown.
 *
 * Everything of its own hides behind one symbol: callers define commands on their connections, and
 * a script named like one of our methods must break neither. It stands on five things of ioredis
 * beside its documented ones: `sendCommand`, `commandQueue`, `handleReconnection`,
 * `condition.handshake` and `_runningAutoPipelines`. What a pipeline holds (light-pipeline.ts) is
 * no sixth: where it is another one, pipelines cost what they cost in ioredis.
 */
import { Pipeline, Redis, type Command, type RedisOptions } from "ioredis";
import { InvalidOptionError } from "./errors.ts";
import { FollowerCore } from "./follower-core.ts";
import type { FollowerLink, FollowerOptions } from "./follower-link.ts";
import { LeaderConnector } from "./leader-connector.ts";
import { light } from "./light-pipeline.ts";
import { noted, type Stream } from "./operation.ts";

type Chain = ReturnType<Redis["pipeline"]>;
type Item = Parameters<Redis["handleReconnection"]>[1];

export const CORE = Symbol("leasehold.core");

/** Options of ioredis that the client decides. */
const OWNED = {
  retryStrategy: () => 0,
  reconnectOnError: null,
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  enableReadyCheck: false,
  maxRetriesPerRequest: null,
  keepAlive: 5_000,
} satisfies RedisOptions;

export class Follower extends Redis {
  readonly [CORE]: FollowerCore;

  constructor(options: RedisOptions, own: FollowerOptions, link: FollowerLink) {
    const made: { core: FollowerCore | null } = { core: null };
    const source = new LeaderConnector({
      route: link.route,
      open: (destination, signal) => link.open(destination, signal),
      connected: (socket, destination, proof) => made.core?.connected(socket, destination, proof),
      failed: (error) => link.events.connectionError(error),
      refused(node, found) {
        const expected = own.followsLeader ? "leader" : "reader";
        link.events.roleCheckFailed({ node, expected, found });
      },
      draw: () => link.draw(),
      spreadMs: () => (made.core && made.core.lostAtMs !== null ? link.spreadMs(made.core) : 0),
    });
    super(withConnector(options, source));
    const base = {
      send: (command: Command, stream: Stream) => super.sendCommand(command, stream),
      disconnect: (reconnect: boolean) => super.disconnect(reconnect),
    };
    made.core = new FollowerCore(this, base, { link, own, source });
    this[CORE] = made.core;
    link.opened(made.core);
    if (!options.lazyConnect) this.connect().catch(() => {});
  }

  override sendCommand(command: Command, stream?: Stream): unknown {
    const core = this[CORE];
    return core.path.send(command, stream, core.own.operation);
  }

  override pipeline(commands?: unknown[][]): Chain {
    const pipeline = light(super.pipeline());
    if (this.options.enableAutoPipelining) pipeline.exec = execNoticing;
    if (Array.isArray(commands)) (pipeline as unknown as Pipeline).addBatch(commands);
    return pipeline;
  }

  override handleReconnection(error: Error, item: Item): void {
    const core = this[CORE];
    const where = { node: core.name ?? "it", db: item.select };
    core.path.answeredWithError(error, noted(item), where);
  }

  /**
   * ioredis tells of a SELECT while it hands over a pipeline, whose bytes it still holds back: what
   * a listener sent there would take the place of its commands, and get their replies.
   */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event !== "select") return super.emit(event, ...args);
    process.nextTick(() => super.emit(event, ...args));
    return this.listenerCount(event) > 0;
  }

  override disconnect(reconnect = false): void {
    this[CORE].disconnect(reconnect);
  }

  override monitor(): never {
    const message = "watches one server, whoever leads: use a plain ioredis connected to it";
    throw new InvalidOptionError("monitor", message);
  }

  // A follower as well, whatever it is asked for: what the client owns is not overridden.
  override duplicate(override?: RedisOptions): never {
    const core = this[CORE];
    return core.link.duplicate(core, { ...override }) as never;
  }
}

/**
 * ioredis makes a pipeline of single calls, and marks it by a symbol once it has it: without the
 * mark it is the caller's own, whose commands belong together. One function for all pipelines: one
 * that referred to its own would keep it (light-pipeline.ts).
 */
const execNoticing: Chain["exec"] = function exec(this: Pipeline, callback) {
  const send = (): ReturnType<Chain["exec"]> => Pipeline.prototype.exec.call(this, callback);
  if (!isAuto(this)) return send();
  const follower = this.redis as Follower;
  const results = follower[CORE].path.auto(send);
  // ioredis keeps back what is asked for until it has all replies, for as long as one waits here.
  (follower as unknown as Running)._runningAutoPipelines?.clear();
  return results;
};

interface Running {
  readonly _runningAutoPipelines?: Set<string>;
}

function isAuto(pipeline: object): boolean {
  return Object.getOwnPropertySymbols(pipeline).some(
    ({ description }) => description === "callbacks",
  );
}

function withConnector(
  options: RedisOptions,
  source: LeaderConnector,
): RedisOptions & { readonly replyMapping?: "legacy" } {
  return { ...options, ...OWNED, lazyConnect: true, Connector: connectorOf(source) } as never;
}

/** ioredis makes its connector itself: this hands out the one that exists. */
function connectorOf(source: LeaderConnector): NonNullable<RedisOptions["Connector"]> {
  // Called with `new`, a function may return another object.
  return function handOut() {
    return source;
  } as unknown as NonNullable<RedisOptions["Connector"]>;
}
