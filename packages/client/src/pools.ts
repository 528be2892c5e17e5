/**
 * The connections of a client beside its first one: for durable writes, transactions and reads.
 * Made when they are first wanted, and kept.
 */
import type { Connections } from "./connections.ts";
import { durableCommands, type DurableCommands, type WriteConcern } from "./durable.ts";
import { CORE, type Follower } from "./follower.ts";
import { resolveOperation, type Settings } from "./options.ts";
import { noEligibleNode, readCommands, type ReadCommands } from "./read-commands.ts";
import type { ProfileDefaults } from "./profile.ts";
import { ReaderRoute } from "./reader-route.ts";
import { readPreferenceOf, type ReadPreference, type ReadPreferenceMode } from "./selection.ts";
import type { Monitor } from "./topology/monitor.ts";
import type { TransactionParts } from "./transaction.ts";
import type { Epoch, NodeDescription } from "./types.ts";

/** Transactions under way beyond these get connections that are closed afterwards. */
const MOST_IDLE = 4;
/** A read that may be asked elsewhere does not wait long for one node. */
const ONE_NODE_MS = 500;

export class Pools implements TransactionParts {
  readonly #settings: Settings;
  readonly #monitor: Monitor;
  readonly #connections: Connections;
  readonly #durable: Follower[] = [];
  readonly #idle: Follower[] = [];
  readonly #readers = new Map<string, readonly Follower[]>();
  #turn = 0;

  constructor(settings: Settings, monitor: Monitor, connections: Connections) {
    this.#settings = settings;
    this.#monitor = monitor;
    this.#connections = connections;
    monitor.listen({
      event: (event) => {
        if (event.type === "nodeRemoved") this.#forget(event.node.id);
      },
    });
  }

  durableCommands(concern: WriteConcern): DurableCommands {
    const { operation } = this.#settings;
    return durableCommands(concern, {
      monitor: this.#monitor,
      waitForLeaderMs: operation.waitForLeaderMs,
      pick: () => this.#pickDurable(),
      all: () => this.#connections.all(),
    });
  }

  acquire(): Follower {
    return this.#idle.pop() ?? this.#connections.create({ operation: this.#settings.operation });
  }

  release(follower: Follower): void {
    if (this.#idle.length < MOST_IDLE) this.#idle.push(follower);
    else follower.disconnect();
  }

  epoch(): Epoch | null {
    return this.#monitor.description.epoch;
  }

  reader(given: ReadPreferenceMode | ReadPreference, standard: ProfileDefaults): Follower {
    const preference = this.#inOurZone(readPreferenceOf(given));
    const route = new ReaderRoute(this.#monitor, preference, () => this.#connections.draw());
    return this.#connections.create({
      operation: resolveOperation(standard.operation, this.#settings.operation),
      redis: standard.redis,
      readOnly: true,
      route,
      maxAgeMs: this.#settings.readerMaxAgeMs,
      unavailable: (waitedMs) =>
        noEligibleNode(preference, route.eligible().emptiedBy ?? "health", {
          waitedMs,
          monitor: this.#monitor,
        }),
    });
  }

  readCommands(given: ReadPreferenceMode | ReadPreference): ReadCommands {
    return readCommands(this.#inOurZone(readPreferenceOf(given)), {
      monitor: this.#monitor,
      waitForLeaderMs: this.#settings.operation.waitForLeaderMs,
      draw: () => this.#connections.draw(),
      isClosed: () => this.#connections.isClosed,
      connectionTo: (node, preference) => this.#connectionTo(node, preference),
      inFlight: ({ id }) => sum(this.#openTo(id).map(workOf)),
    });
  }

  #inOurZone(preference: ReadPreference): ReadPreference {
    const { zone } = this.#settings;
    return preference.zone === undefined && zone !== null ? { ...preference, zone } : preference;
  }

  #openTo(id: string): readonly Follower[] {
    return (this.#readers.get(id) ?? []).filter(({ status }) => status !== "end");
  }

  /** One without work, another one while there may be more, or the one with the least to do. */
  #connectionTo({ id, viaService }: NodeDescription, { maxStalenessMs }: ReadPreference): Follower {
    // What was judged is this node, and behind a Service another one may answer.
    const isExact = viaService === true && maxStalenessMs !== undefined;
    const place = isExact ? `${id} itself` : id;
    const open = this.#openTo(place);
    const [best] = open.toSorted((one, other) => workOf(one) - workOf(other));
    const isFull = open.length >= this.#settings.connectionsPerReplica;
    if (best && (isFull || workOf(best) === 0)) return best;
    const selector = (nodes: readonly NodeDescription[]): readonly NodeDescription[] =>
      nodes.filter((node) => node.id === id);
    // Any role: the preference has been looked at already, with the command.
    const bound = isExact ? { maxStalenessMs: Infinity } : {};
    const preference = { mode: "nearest", localThresholdMs: Infinity, selector, ...bound } as const;
    const made = this.#connections.create({
      operation: { ...this.#settings.operation, waitForLeaderMs: ONE_NODE_MS },
      readOnly: true,
      route: new ReaderRoute(this.#monitor, preference, () => this.#connections.draw()),
      maxAgeMs: this.#settings.readerMaxAgeMs,
    });
    this.#readers.set(place, [...open, made]);
    return made;
  }

  #forget(id: string): void {
    for (const place of [id, `${id} itself`]) {
      for (const follower of this.#openTo(place)) follower.disconnect();
      this.#readers.delete(place);
    }
  }

  #pickDurable(): Follower {
    if (this.#durable.length < this.#settings.durableConnections) {
      const operation = { ...this.#settings.operation, resendRejected: false };
      this.#durable.push(this.#connections.create({ operation }));
    }
    this.#turn += 1;
    const free = this.#durable.find((follower) => follower.commandQueue.isEmpty());
    const next = free ?? this.#durable[this.#turn % this.#durable.length];
    if (!next) throw new Error("a pool of connections has none");
    return next;
  }
}

/** Commands that it has not answered, or not been given yet. */
function workOf(follower: Follower): number {
  return follower.commandQueue.length + follower[CORE].path.queued;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
