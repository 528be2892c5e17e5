/**
 * Where a reader sits: one node that fits its preference, for as long as it does.
 *
 * Guarantees: a node that stops fitting is left at the next word about the group; nobody is left
 * for one that is merely better. Does not balance by load: one connection is one place.
 */
import type { Admission, Destination, Route } from "./leader-connector.ts";
import { eligibleNodes, pickNode, type Eligible, type ReadPreference } from "./selection.ts";
import type { Monitor } from "./topology/monitor.ts";
import type { NodeDescription, NodeProof } from "./types.ts";

/** How long a node that could not be reached is passed over while there are others. */
const AVOID_MS = 1_000;

export class ReaderRoute implements Route {
  readonly #monitor: Monitor;
  readonly #preference: ReadPreference;
  readonly #draw: () => number;
  readonly #avoided = new Map<string, number>();
  #chosen: Destination | null = null;

  constructor(monitor: Monitor, preference: ReadPreference, draw: () => number) {
    this.#monitor = monitor;
    this.#preference = preference;
    this.#draw = draw;
  }

  destination(): Destination | null {
    const { nodes } = this.eligible();
    const present = nodes.find((node) => tagOf(node) === this.#chosen?.tag);
    const now = performance.now();
    const reachable = nodes.filter((node) => (this.#avoided.get(node.id) ?? 0) <= now);
    const isAvoided = present !== undefined && !reachable.includes(present);
    if (present && !(isAvoided && reachable.length > 0)) return this.#chosen;
    const node = pickNode(reachable.length > 0 ? reachable : nodes, () => 0, this.#draw);
    this.#chosen = node && destinationOf(node);
    return this.#chosen;
  }

  eligible(): Eligible {
    return eligibleNodes(this.#monitor.current(), this.#preference);
  }

  admit(destination: Destination, proof: NodeProof): Admission {
    if (proof.loading) return { admitted: false, why: "it is loading its data" };
    if (proof.role === "replica" && proof.isLinkUp === false) {
      return { admitted: false, why: "its link to its leader is down" };
    }
    if (this.#preference.mode === "replica" && proof.role !== "replica") {
      return { admitted: false, why: "it is no replica any more" };
    }
    const met = proof.localAddress;
    if (!destination.isShared || met === null || met === destination.name) {
      return { admitted: true };
    }
    return this.#admitAnother(met);
  }

  /** Behind the shared address another node has answered. */
  #admitAnother(met: string): Admission {
    const node = this.eligible().nodes.find(({ id }) => id === met);
    if (node) this.#chosen = destinationOf(node);
    // Nothing tells how stale it is.
    const isJudged = node !== undefined || this.#preference.maxStalenessMs === undefined;
    return isJudged ? { admitted: true } : { admitted: false, why: `${met} is not known to fit` };
  }

  whyNowhere(): string {
    return "no node fits";
  }

  failed(kind: Parameters<Route["failed"]>[0]): void {
    if (this.#chosen && kind !== "nowhere") {
      this.#avoided.set(this.#chosen.name, performance.now() + AVOID_MS);
    }
    this.#monitor.requestCheck(kind === "nowhere" ? "noLeader" : "connectionLost");
  }

  onChange(listener: () => void): () => void {
    return this.#monitor.listen({ refreshed: listener });
  }
}

function destinationOf(node: NodeDescription): Destination {
  const { host, port, id: name, viaService: isShared = false } = node;
  return { host, port, name, tag: tagOf(node), isShared };
}

function tagOf({ id, host, port }: NodeDescription): string {
  return `${id} ${host}:${port}`;
}
