/** Reads: what calls itself in sync has what the Lease told of its leader a while ago. */
import type { LeaseRecord, Position } from "@leasehold/election";
import type { Pod } from "../pod/pod.ts";
import { Checker } from "./checker.ts";

/** A probe in flight, and the mean of what a turn waits for. */
const MARGIN_MS = 1_000;
/** Clocks that run 2 % off, at both ends. */
const DRIFT = 1.05;

export class Freshness extends Checker {
  readonly name = "freshness";
  readonly promise =
    "A member that hears from the API does not call itself in sync for much longer than D while " +
    "it lacks what the Lease tells of its leader.";
  /** What the Lease told under its present epoch, oldest first. */
  private told: { readonly atMs: number; readonly position: Position }[] = [];
  private epoch = 0;
  /** Since when it lacked something, at work and within reach of the API. */
  private readonly since = new Map<Pod, number>();

  override leaseCommitted({ epoch, position }: LeaseRecord, byHand: boolean): void {
    if (byHand || epoch !== this.epoch) this.told = [];
    this.epoch = epoch;
    if (byHand || position === null) return;
    // What the leader of today does not have, nobody can have.
    this.told = this.told.filter((one) => !isAhead(one.position, position));
    this.told.push({ atMs: this.world.clock.nowMs, position });
  }

  override leaseDeleted(): void {
    this.told = [];
  }

  override sampled(): void {
    for (const pod of this.world.pods) {
      const lacking = this.lacking(pod);
      if (lacking === null) this.since.delete(pod);
      else this.judge(pod, lacking);
    }
    this.forgetReached();
  }

  /** Instant at which the Lease told what it lacks; null: nothing, or it cannot know. */
  private lacking(pod: Pod): number | null {
    const { redis, sidecar } = pod;
    if (!redis?.isRunning() || redis.role === "primary" || !redis.isLinkUp) return null;
    const oldest = this.told.find(({ position }) => isAhead(position, redis));
    if (oldest === undefined || !sidecar?.isRunning()) return null;
    const seesMs = 2.5 * sidecar.config.renewIntervalMs;
    return sidecar.report().apiAgeMs > seesMs ? null : oldest.atMs;
  }

  private judge(pod: Pod, toldMs: number): void {
    const { nowMs } = this.world.clock;
    const sinceMs = this.since.get(pod) ?? nowMs;
    this.since.set(pod, sinceMs);
    const { config } = pod.sidecar ?? { config: this.world.memberConfig };
    const { leaseDurationMs, renewIntervalMs } = config;
    // Seen within 2.5 R, noted within D / 8, called stale D later.
    const boundMs = (1.125 * leaseDurationMs + 2.5 * renewIntervalMs) * DRIFT + MARGIN_MS;
    if (nowMs - Math.max(toldMs, sinceMs) <= boundMs || !pod.sidecar?.status().inSync) return;
    const lateMs = (nowMs - toldMs).toFixed(0);
    this.broken(`${pod.label} is in sync, and lacks what was told ${lateMs} ms ago`);
  }

  /** The list is as long as the one that is furthest behind needs it. */
  private forgetReached(): void {
    const replicas = this.world.pods.flatMap(({ redis }) =>
      redis?.alive && redis.role === "replica" ? [redis] : [],
    );
    this.told = this.told.filter(({ position }, index) => {
      const isLacked = replicas.some((redis) => isAhead(position, redis));
      return isLacked || index === this.told.length - 1;
    });
  }
}

interface Place {
  readonly replid: string;
  readonly offset: number;
}

/** In one history: the first renewal under an epoch may tell of the one before (700015874). */
function isAhead(one: Place, other: Place): boolean {
  return one.replid === other.replid && one.offset > other.offset;
}
