/** Who has nothing, or something else, does not lead over those who have the group's data. */
import type { LeaseRecord } from "@leasehold/election";
import type { Pod } from "../pod/pod.ts";
import { isForeign, writesIn, type Point } from "../redis/history.ts";
import type { RedisServer } from "../redis/server.ts";
import { Checker } from "./checker.ts";

/** A group whose only writes are of so short a time after its founding was founded just now. */
const NEWBORN_MS = 5_000;

export class Founder extends Checker {
  readonly name = "founder";
  readonly promise = "An empty member, or one of another lineage, never leads over existing data.";

  private isLeaseLost = false;
  /** Who is on the list: a copy that never got there is nobody's to wait for. */
  private listed: LeaseRecord["members"] = {};
  private founding: { readonly replid: string; readonly atMs: number } | null = null;
  private readonly bornMs = new WeakMap<RedisServer, number>();

  override redisChanged(server: RedisServer): void {
    if (!this.bornMs.has(server)) this.bornMs.set(server, this.world.clock.nowMs);
  }

  override leaseDeleted(): void {
    this.isLeaseLost = true;
  }

  override leaseCommitted(record: LeaseRecord, byHand: boolean): void {
    this.isLeaseLost = this.isLeaseLost || byHand;
    this.listed = record.members;
  }

  override promoted(server: RedisServer): void {
    if (isForeign(server.head)) {
      this.broken(`${server.site.label} leads with another group's data`);
      return;
    }
    if (writesIn(server.head) > 0 || this.isNewborn(server)) return;
    for (const pod of this.world.pods) {
      if (pod.redis === server || pod.gone || pod.isDisowned) continue;
      if (!(pod.name in this.listed)) continue;
      const most = Math.max(...copiesOf(pod).map((copy) => writesIn(copy)));
      if (most <= 0) continue;
      this.broken(`${server.site.label} leads empty while ${pod.label} has ${most} writes`);
      return;
    }
    this.founding = { replid: server.replid, atMs: this.world.clock.nowMs };
    const hadData = this.world.ledger.writes.some((write) => write.acknowledgedMs >= 0);
    if (!hadData || this.isLeaseLost || this.world.options.mode === "none") return;
    this.broken(`${server.site.label} founds the group anew although the Lease tells of data`);
  }

  /**
   * A replica of a group that was founded a moment ago: its full sync brought nothing since there
   * was nothing yet, and the first writes were on their way. It is behind, as any replica may be
   * (`durability` watches that), and not empty: that would be one that restarted (20013555,
   * 30007207).
   */
  private isNewborn(server: RedisServer): boolean {
    const { founding } = this;
    if (founding === null || server.replid2 !== founding.replid) return false;
    if ((this.bornMs.get(server) ?? Infinity) > founding.atMs) return false;
    const untilMs = founding.atMs + NEWBORN_MS;
    return this.world.ledger.writes.every(
      ({ replid, acceptedMs }) => replid !== founding.replid || acceptedMs < untilMs,
    );
  }
}

/** The group's data that a pod has, in memory and on disk. */
export function copiesOf(pod: Pod): Point[] {
  const copies: (Point | null)[] = [pod.volume.data];
  if (pod.redis?.alive && !pod.redis.loading) copies.push(pod.redis.head);
  return copies.filter((copy): copy is Point => copy !== null && !isForeign(copy));
}
