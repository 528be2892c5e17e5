/** Replids, epochs and offsets: what makes two copies comparable. */
import type { LeaseRecord } from "@leasehold/election";
import type { RedisServer } from "../redis/server.ts";
import { Checker } from "./checker.ts";

export class Lineage extends Checker {
  readonly name = "lineage";
  readonly promise =
    "No write is accepted under a replid that nobody knows, and one epoch names one replid.";
  private readonly epochOf = new Map<string, number>();
  private readonly replidOf = new Map<number, string>();
  private readonly accepting = new Set<string>();
  /** The list that is, or was last, in force; null: there never was one. */
  private listed: LeaseRecord["members"] | null = null;
  /** What the Lease said last: somebody may delete it between publication and first write. */
  private told: LeaseRecord["lineage"] = [];

  override leaseCommitted({ members, lineage }: LeaseRecord): void {
    this.listed = members;
    this.told = lineage;
  }

  override promoted(server: RedisServer, epoch: number): void {
    this.epochOf.set(server.replid, epoch);
  }

  override accepted(server: RedisServer): void {
    const { replid } = server;
    if (this.accepting.has(replid)) return;
    this.accepting.add(replid);
    const epoch = this.epochOf.get(replid);
    if (epoch === undefined) {
      this.broken(`${server.site.label} accepts writes under ${replid}, which nobody promoted`);
      return;
    }
    const other = this.replidOf.get(epoch);
    if (other !== undefined && other !== replid) {
      this.broken(`epoch ${epoch} names both ${other} and ${replid}`);
      return;
    }
    this.replidOf.set(epoch, replid);
    // Frozen with its guard between promotion and publication: for a second its old connections
    // may be served, and that tail is dropped (protocol 9).
    if (this.world.exemptUntil(server) > this.world.clock.nowMs) return;
    if (!this.isKnown(replid, this.world.podOf(server).name)) {
      this.broken(`${server.site.label} accepts writes under ${replid}, which nobody knows`);
    }
  }

  override diverged(replica: RedisServer, upstream: RedisServer): void {
    this.broken(
      `${replica.site.label} resumed partially from ${upstream.site.label} at ` +
        `${replica.replid}:${replica.offset}, but their bytes up to there differ`,
    );
  }

  /** In the slice, in the Lease, or in the record of every other member on the list. */
  private isKnown(replid: string, own: string): boolean {
    const { store, pods } = this.world;
    if (store.slice?.lineage.some((entry) => entry.replid === replid)) return true;
    const inLease = store.lease === null ? this.told : store.lease.record.lineage;
    if (inLease.some((entry) => entry.replid === replid)) return true;
    const { listed } = this;
    const others = pods.filter(
      (pod) => !pod.gone && pod.name !== own && (listed === null || pod.name in listed),
    );
    return others.every((pod) =>
      pod.volume.record?.lineage.some((entry) => entry.replid === replid),
    );
  }
}
