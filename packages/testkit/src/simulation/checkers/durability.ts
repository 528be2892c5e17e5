/**
 * What happens to acknowledged writes when the leader changes.
 *
 * Guarantees checked: a planned change loses nothing; a write that `WAIT` confirmed survives the
 * loss of one member; nobody is promoted over a better copy that was well and in reach; a release
 * is not answered by a copy that is behind it; where processes alone end, of however many members,
 * what is in a file is not lost. Not promised, so not checked: plain writes that had reached nobody
 * else when their primary was lost.
 */
import type { LeaseRecord } from "@leasehold/election";
import type { Action, MemberEvent } from "@leasehold/replication";
import type { LedgerWrite } from "../clients/ledger.ts";
import type { Pod } from "../pod/pod.ts";
import type { Sidecar } from "../pod/sidecar.ts";
import { holds, includes, type Point } from "../redis/history.ts";
import type { RedisServer } from "../redis/server.ts";
import { Checker } from "./checker.ts";
import { copiesOf } from "./founder.ts";

/** So long a better copy must have been untouched by any fault to count as within reach. */
const CALM_MS = 8_000;
/** A plain write may be this young and still be on the wire. */
const WIRE_MS = 1_200;
/** From a member's answer about its copy to the promotion that it speaks against, at most. */
const ASKED_MS = 200;

/** Its client has an OK, and it was no tail. */
function isPromised({ acknowledgedMs, isLost, isTail }: LedgerWrite): boolean {
  return acknowledgedMs >= 0 && !isLost && !isTail;
}

interface Given {
  /** Null: to whoever is not behind. */
  readonly to: string | null;
  readonly head: Point;
  readonly atMs: number;
  readonly from: string;
}

export class Durability extends Checker {
  readonly name = "durability";
  readonly promise =
    "No acknowledged write is lost in a planned change, and none that one replica confirmed " +
    "when one member is lost.";
  private handover: Given | null = null;
  private release: Given | null = null;
  private newest = 0;

  override leaseDeleted(): void {
    this.newest = 0;
    this.handover = null;
    this.release = null;
  }

  override leaseCommitted(record: LeaseRecord, byHand: boolean): void {
    // What was given stays given until somebody is promoted on it, or an operator interferes.
    if (byHand) {
      this.release = null;
      this.newest = 0;
    }
    if (byHand || record.holder !== this.handover?.to) this.handover = null;
    if (byHand) return;
    const { handover, released } = record;
    if (handover?.equal) {
      const head = this.headOf(handover.from);
      const { nowMs: atMs } = this.world.clock;
      if (head !== null) this.handover = { to: handover.to, head, atMs, from: handover.from };
    }
    // Of a copy that restarted (it gives back what it must not lead), or whose Redis died, only a
    // bound is known; a primary that stops knows it all, and says so while its Redis runs even
    // where its record was late for `clean`.
    const releaser = released === null ? null : this.world.podOfIdentity(released.by);
    const report = releaser?.sidecar?.report();
    const isKnown = report !== undefined && !report.coldStart && report.redis !== "down";
    const planned = releaser?.terminating === true && (released?.clean === true || isKnown);
    if (record.holder === null && released !== null && planned) {
      const head = this.headOf(released.by);
      const { nowMs: atMs } = this.world.clock;
      if (head !== null) this.release = { to: null, head, atMs, from: released.by };
    }
  }

  /** People take the loss. */
  override decided(_sidecar: Sidecar, _event: MemberEvent, actions: readonly Action[]): void {
    if (actions.some(({ reason }) => reason === "acquireForced")) this.release = null;
  }

  override promoted(server: RedisServer, epoch: number): void {
    // A command that thawed with its Redis, long after somebody else leads: its writes are paused
    // by the same transaction; that they never open is what `one writer` watches (seed 1005515).
    if (epoch < this.newest) return;
    this.newest = epoch;
    this.checkGiven(server);
    const pod = this.world.podOf(server);
    for (const write of this.world.ledger.writes) {
      if (!isPromised(write) || write.place === null) continue;
      if (holds(server.head, write.place)) continue;
      this.checkLoss(pod, write);
      write.isLost = true;
    }
  }

  override ended(): void {
    const leader = this.world.pods.find((pod) => pod.redis?.isWritable())?.redis;
    if (!leader) return;
    for (const write of this.world.ledger.writes) {
      if (!isPromised(write) || write.place === null) continue;
      if (holds(leader.head, write.place)) continue;
      const touched = this.touchedSince(write.acceptedMs);
      if (touched.length > (write.copies > 0 ? 1 : 0)) continue;
      this.broken(`${describe(write)} is not in the leader's data, and no promotion lost it`);
      return;
    }
  }

  /** A hand-over at equal offsets, or a release: its receiver has all of it. */
  private checkGiven(server: RedisServer): void {
    const pod = this.world.podOf(server);
    const { nowMs } = this.world.clock;
    const { handover, release } = this;
    this.handover = null;
    this.release = null;
    if (handover !== null && handover.to === pod.sidecar?.identity) {
      if (!includes(server.head, handover.head) && this.isSomewhere(handover.head)) {
        this.broken(`${pod.label} was handed the lead by ${handover.from} and lacks writes of it`);
      }
    }
    const waitMs = this.world.memberConfig.coldStartWaitMs * 0.95;
    if (release === null || nowMs - release.atMs >= waitMs) return;
    // Whoever had it all may have been lost since: then it is a failover like any other.
    if (this.world.faults.hasBegunSince(release.atMs)) return;
    if (!includes(server.head, release.head) && this.isSomewhere(release.head)) {
      this.broken(`${pod.label} leads after ${release.from} released, and is behind it`);
    }
  }

  /** Somebody has it, or will with its next pod: else there is nobody to prefer or to wait for. */
  private isSomewhere(head: Point): boolean {
    const { replicas } = this.world.store;
    const pods = this.world.pods.filter((pod) => pod.spec.ordinal < replicas);
    return pods.some((pod) => copiesOf(pod).some((copy) => includes(copy, head)));
  }

  private checkLoss(leader: Pod, write: LedgerWrite): void {
    const { nowMs } = this.world.clock;
    const isOld = nowMs - write.acceptedMs > WIRE_MS;
    if (write.copies > 0 || isOld) {
      const better = this.world.pods.find((pod) => this.isBetter(pod, leader, write));
      if (better !== undefined) {
        this.broken(`${leader.label} leads without ${describe(write)}, which ${better.label} has`);
        return;
      }
    }
    if (this.isOnDisk(write)) {
      this.broken(`${leader.label} leads without ${describe(write)}, which is on a disk`);
      return;
    }
    const touched = this.touchedSince(write.acceptedMs);
    if (touched.length > (write.copies > 0 ? 1 : 0)) return;
    this.broken(
      `${describe(write)}, confirmed by ${write.copies}, is lost to ${leader.label}; ` +
        `only ${touched[0] ?? "nobody"} had a fault`,
    );
  }

  /** Processes alone have ended since, and files that their records call whole still have it. */
  private isOnDisk({ place, acceptedMs }: LedgerWrite): boolean {
    const { faults, options } = this.world;
    if (place === null || options.mode !== "aof" || !faults.keptFiles(acceptedMs)) return false;
    const volumes = this.world.pods.map(({ volume }) => volume);
    const holding = volumes.filter(({ data }) => data !== null && holds(data, place));
    return holding.length > 0 && holding.every(({ record }) => !record?.syncing);
  }

  /** It holds the write, and nothing has been wrong with it, its ways or the API for a while. */
  private isBetter(pod: Pod, leader: Pod, write: LedgerWrite): boolean {
    const { world } = this;
    const { redis } = pod;
    if (pod === leader || redis === null || redis.loading || write.place === null) return false;
    if (pod.terminating || !holds(redis.head, write.place)) return false;
    // A partition that ends lets through what was on the wire, after the copy was asked.
    const { cameLate } = redis;
    const isNews = cameLate !== null && world.clock.nowMs - cameLate.atMs < ASKED_MS;
    if (isNews && !holds(cameLate.before, write.place)) return false;
    // After a crash its own record is all that is known of an AOF: a bound, and it may be higher.
    if (pod.sidecar?.report().position?.restored) return false;
    // After a cut full sync nobody can tell half a copy from a whole one.
    if (pod.volume.record?.syncing) return false;
    const listed = world.store.lease?.record.members ?? {};
    if (!(pod.name in listed)) return false;
    const sinceMs = world.clock.nowMs - CALM_MS;
    // The new leader may come out of a crash of its own: it has to ask all the same.
    const [touched, cutOff] = [world.faults.touched(sinceMs), world.faults.cutOff(sinceMs)];
    const isWell = !touched.includes(pod.name) && !touched.includes("api");
    return isWell && !cutOff.includes(leader.name);
  }

  private touchedSince(sinceMs: number): string[] {
    return this.world.faults.touched(sinceMs);
  }

  private headOf(identity: string): Point | null {
    const pod = this.world.podOfIdentity(identity);
    const { redis } = pod ?? {};
    if (redis?.alive && !redis.loading) return redis.head;
    return pod?.volume.data ?? null;
  }
}

function describe(write: LedgerWrite): string {
  const at = (write.acceptedMs / 1_000).toFixed(3);
  return `write ${write.id} (${write.server?.site.label ?? "?"}, ${at} s)`;
}
