/** How the members behave: epochs that grow, an address that tells the truth, turns that end. */
import type { LeaseRecord } from "@leasehold/election";
import type { Action, MemberEvent, SliceObservation } from "@leasehold/replication";
import type { Sidecar } from "../pod/sidecar.ts";
import { Checker } from "./checker.ts";

export class Epochs extends Checker {
  readonly name = "epochs";
  readonly promise =
    "The epoch grows with every change of holder and never falls; only POST creates a Lease.";
  private last: LeaseRecord | null = null;
  private sliceEpoch = 0;

  override leaseCommitted(record: LeaseRecord, byHand: boolean): void {
    const { last } = this;
    this.last = record;
    if (last === null || byHand) return;
    const isOther = record.holder !== null && record.holder !== last.holder;
    if (record.epoch < last.epoch || (isOther && record.epoch === last.epoch)) {
      this.broken(
        `the Lease went from ${last.holder ?? "nobody"} under epoch ${last.epoch} to ` +
          `${record.holder ?? "nobody"} under epoch ${record.epoch}`,
      );
    }
  }

  /** Whoever deletes the Lease may take an epoch with it that nobody else had seen. */
  override leaseDeleted(): void {
    this.last = null;
  }

  override leaseCreatedByPut(): void {
    this.broken("a late PUT created the Lease anew");
  }

  override sliceCommitted(slice: SliceObservation, byHand: boolean): void {
    if (!byHand && slice.epoch < this.sliceEpoch) {
      this.broken(`the slice fell from epoch ${this.sliceEpoch} to ${slice.epoch}`);
    }
    this.sliceEpoch = slice.epoch;
  }

  /** As with the Lease: an epoch may go with it that nobody had seen (seed 1006813). */
  override sliceDeleted(): void {
    this.sliceEpoch = 0;
  }
}

const PROXY_MS = 1_500;

export class Addresses extends Checker {
  readonly name = "address";
  readonly promise = "The address names the leader, and every node's proxy follows it.";
  private movedMs = 0;

  override sliceCommitted(): void {
    this.movedMs = this.world.clock.nowMs;
  }

  override ended(): void {
    const { store, proxies, pods } = this.world;
    const leader = pods.find((pod) => pod.redis?.isWritable());
    if (leader === undefined) return;
    const named = store.slice?.address?.host ?? "nobody";
    if (named !== leader.host) {
      this.broken(`the slice names ${named}; ${leader.label} (${leader.host}) leads`);
      return;
    }
    // A run may end in the second for which a proxy gathers changes.
    if (this.world.clock.nowMs - this.movedMs < PROXY_MS) return;
    const stale = proxies.find((proxy) => proxy.target?.host !== leader.host);
    if (stale) this.broken(`a proxy sends to ${stale.target?.host ?? "nobody"}`);
  }
}

/** A look at refusals, the second between two looks, and what a turn waits for. */
const STRAY_MS = 2_000;

export class Strays extends Checker {
  readonly name = "strays";
  readonly promise =
    "No client of the address stays on a member that refuses its writes, once the group is whole.";

  override ended(): void {
    const { writers, clock } = this.world;
    for (const { refusals } of writers) {
      if (refusals === null || refusals.server.isWritable() || !refusals.server.alive) continue;
      const forMs = clock.nowMs - refusals.sinceMs;
      if (forMs <= STRAY_MS) continue;
      const { label } = refusals.server.site;
      this.broken(`a writer was refused by ${label} for ${forMs.toFixed(0)} ms`);
      return;
    }
  }
}

export class OwnInvariants extends Checker {
  readonly name = "core invariant";
  readonly promise = "The core's own invariants, which stay on in production, are never broken.";

  override decided(sidecar: Sidecar, _event: MemberEvent, actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.type !== "announce" || action.reason !== "invariant") continue;
      this.broken(`${sidecar.pod.label}: ${action.words}`);
      return;
    }
  }
}

/** More decisions than this in a second of true time is a member that spins. */
const TURNS_PER_SECOND_MAX = 4_000;

export class Turns extends Checker {
  readonly name = "turns";
  readonly promise = "A member comes to rest: it does not decide for ever about nothing.";
  private readonly counts = new Map<Sidecar, number>();
  private second = 0;

  override decided(sidecar: Sidecar): void {
    const second = Math.floor(this.world.clock.nowMs / 1_000);
    if (second !== this.second) {
      this.second = second;
      this.counts.clear();
    }
    const count = (this.counts.get(sidecar) ?? 0) + 1;
    this.counts.set(sidecar, count);
    if (count === TURNS_PER_SECOND_MAX) {
      this.broken(`${sidecar.pod.label} decided ${count} times in one second`);
    }
  }
}
