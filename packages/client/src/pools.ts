/**
 * The connections of a client beside its first one: for durable writes, transactions and reads.
 * Made when they are first wanted, and kept.
 */
import type { Connections } from "./connections.ts";
import { durableCommands, type DurableCommands, type WriteConcern } from "./durable.ts";
import type { Follower } from "./follower.ts";
import type { Settings } from "./options.ts";
import { noEligibleNode, readCommands, type ReadCommands } from "./read-commands.ts";
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
  readonly #readers = new Map<string, Follower>();
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

  reader(given: ReadPreferenceMode | ReadPreference): Follower {
    const preference = this.#inOurZone(readPreferenceOf(given));
    const route = new ReaderRoute(this.#monitor, preference, () => this.#connections.draw());
    return this.#connections.create({
      operation: this.#settings.operation,
      readOnly: true,
      route,
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
      connectionTo: (node) => this.#connectionTo(node),
    });
  }

  #inOurZone(preference: ReadPreference): ReadPreference {
    const { zone } = this.#settings;
    return preference.zone === undefined && zone !== null ? { ...preference, zone } : preference;
  }

  #connectionTo({ id }: NodeDescription): Follower {
    const known = this.#readers.get(id);
    if (known && known.status !== "end") return known;
    const selector = (nodes: readonly NodeDescription[]): readonly NodeDescription[] =>
      nodes.filter((node) => node.id === id);
    // Any role: the preference has been looked at already, with the command.
    const preference = { mode: "nearest", localThresholdMs: Infinity, selector } as const;
    const made = this.#connections.create({
      operation: { ...this.#settings.operation, waitForLeaderMs: ONE_NODE_MS },
      readOnly: true,
      route: new ReaderRoute(this.#monitor, preference, () => this.#connections.draw()),
    });
    this.#readers.set(id, made);
    return made;
  }

  #forget(id: string): void {
    this.#readers.get(id)?.disconnect();
    this.#readers.delete(id);
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
