/**
 * Moving in from a source outside the group: nothing is lost on the way, nobody writes at two
 * places, and whoever has data of the group keeps it. What a restart of the source opens again is
 * the operator's (docs/protocol.md, section 4.6), so nothing is judged that it takes after one.
 */
import type { LeaseRecord } from "@leasehold/election";
import type { Action, MemberEvent } from "@leasehold/replication";
import type { LedgerWrite } from "../clients/ledger.ts";
import type { Pod } from "../pod/pod.ts";
import type { Sidecar } from "../pod/sidecar.ts";
import { holds, includes } from "../redis/history.ts";
import type { RedisServer } from "../redis/server.ts";
import type { Source } from "../source/source.ts";
import { Checker } from "./checker.ts";
import { copiesOf } from "./founder.ts";

export class MovedWhole extends Checker {
  readonly name = "moved whole";
  readonly promise =
    "A group that leads after a cutover has every write that the source accepted before it.";
  private first: RedisServer | null = null;
  private movedBy: string | null = null;
  private readonly promotions: { readonly server: RedisServer; readonly atMs: number }[] = [];

  override leaseCommitted({ lineage, holder }: LeaseRecord): void {
    if (this.movedBy !== null || !lineage.at(-1)?.moved || holder === null) return;
    this.movedBy = this.world.podOfIdentity(holder)?.name ?? null;
  }

  override promoted(server: RedisServer): void {
    this.promotions.push({ server, atMs: this.world.clock.nowMs });
  }

  /** Who says "done" says that nothing is missing; people throw the source away then. */
  override decided({ pod }: Sidecar, _event: MemberEvent, actions: readonly Action[]): void {
    const { source } = this.world;
    for (const action of actions) {
      if (action.type !== "finishRequest" || !action.result.done || source === null) continue;
      if (!source.mover.asked.has(action.requestId) || pod.redis === null) continue;
      const { head } = pod.redis;
      const missing = source.ledger.writes.find(
        (write) => write.place && isOfBefore(write, source) && !holds(head, write.place),
      );
      if (missing) this.broken(`${pod.label} says "done" without write ${missing.id}`);
    }
  }

  override redisChanged(server: RedisServer): void {
    const { source } = this.world;
    if (source === null || this.first !== null || !server.isWritable()) return;
    this.first = server;
    if (source.stood === null) {
      this.broken(`${server.site.label} leads, and nobody asked the source`);
      return;
    }
    for (const write of source.ledger.writes) {
      if (write.place === null || !isOfBefore(write, source)) continue;
      if (holds(server.head, write.place)) this.takeOver(server, write);
      else if (!this.hasDied(server, source) && !this.hasLostTwo(server, source)) {
        return this.lacks(server, write);
      }
    }
  }

  /**
   * The Redis that was promoted by the cutover, before it took a write: what its volume kept is
   * what leads, as after any crash. That "done" is not said of it is watched above.
   */
  private hasDied(server: RedisServer, { stood }: Source): boolean {
    return this.promotions.some(
      (one) => one.server !== server && !one.server.alive && one.atMs > (stood?.atMs ?? 0),
    );
  }

  /** Another one leads than moved in, and a second one is not well: of that nothing is promised. */
  private hasLostTwo(server: RedisServer, { stood }: Source): boolean {
    const { movedBy, world } = this;
    if (movedBy === null || world.podOf(server).name === movedBy) return false;
    const touched = world.faults.touched(stood?.atMs ?? 0);
    return touched.some((name) => name !== "api" && name !== movedBy);
  }

  private lacks(server: RedisServer, write: LedgerWrite): void {
    const at = (write.acceptedMs / 1_000).toFixed(3);
    this.broken(`${server.site.label} leads without write ${write.id} of the source (${at} s)`);
  }

  /** From here on it is a write of the group, with what is promised of those. */
  private takeOver(server: RedisServer, write: LedgerWrite): void {
    if (write.acknowledgedMs < 0) return;
    const { ledger, clock, store, source } = this.world;
    const taken = ledger.open("address");
    taken.server = server;
    taken.place = write.place;
    taken.replid = server.replid;
    taken.acceptedMs = clock.nowMs;
    taken.acknowledgedMs = clock.nowMs;
    taken.copies = store.replicas > 1 && !source?.mover.goesAlone ? 1 : 0;
  }
}

/** Accepted before the source stood still, and not lost by the source itself. */
function isOfBefore(write: LedgerWrite, { redis, stood }: Source): boolean {
  if (write.place === null || stood === null || !holds(redis.head, write.place)) return false;
  return write.server === stood.server || write.acceptedMs <= stood.atMs;
}

/** A copy that was there so long ago may have gone while the PUT was on its way. */
const GONE_MS = 500;
/** So long another copy must have been untouched by any fault to count as within reach. */
const CALM_MS = 8_000;

export class MovedTwice extends Checker {
  readonly name = "moved twice";
  readonly promise =
    "After a cutover the loss of any one member loses nothing of what the source had: another " +
    "one has all of it, and may lead.";
  /** When a member was last seen with all of it, and on the list. */
  private readonly heirs = new Map<Pod, number>();
  private hasMoved = false;
  private hasOpened = false;

  override sampled(): void {
    if (this.hasMoved) return;
    for (const pod of this.world.livePods()) {
      if (this.isHeir(pod)) this.heirs.set(pod, this.world.clock.nowMs);
    }
  }

  /** The step that cannot be taken back: from here on the source counts for nothing. */
  override leaseCommitted({ lineage, holder }: LeaseRecord): void {
    if (this.hasMoved || !lineage.at(-1)?.moved) return;
    this.hasMoved = true;
    const { source, store, clock } = this.world;
    if (store.replicas < 2 || source?.mover.goesAlone) return;
    const own = holder === null ? null : this.world.podOfIdentity(holder);
    const others = this.world.livePods().filter((pod) => pod !== own);
    if (others.some((pod) => this.isHeir(pod))) return;
    const lately = [...this.heirs].some(
      ([pod, atMs]) => pod !== own && clock.nowMs - atMs <= GONE_MS,
    );
    if (!lately) this.broken(`${own?.label} moves in, and nobody else has it and may lead`);
  }

  override promoted(server: RedisServer): void {
    if (this.world.source === null || this.hasMoved) return;
    this.broken(`${server.site.label} is promoted before the Lease says that the group moved in`);
  }

  /** What its volume kept does not lead while another one has all. */
  override redisChanged(server: RedisServer): void {
    const { source } = this.world;
    if (this.hasOpened || source?.stood == null || !server.isWritable()) return;
    this.hasOpened = true;
    if (includes(server.head, source.stood.head)) return;
    // Of two that are not well nothing is promised: it may be silent just now.
    const unwell = this.world.faults.touched(this.world.clock.nowMs - CALM_MS);
    const heir = this.world
      .livePods()
      .find((pod) => pod.redis !== server && this.isHeir(pod) && !unwell.includes(pod.name));
    if (heir) this.broken(`${server.site.label} leads without what ${heir.label} has`);
  }

  private isHeir({ name, redis }: Pod): boolean {
    const { source, store } = this.world;
    const stood = source?.stood ?? null;
    if (stood === null || redis === null || !redis.isRunning() || redis.loading) return false;
    const listed = store.lease?.record.members ?? {};
    return name in listed && includes(redis.head, stood.head);
  }
}

export class OneTaker extends Checker {
  readonly name = "one taker";
  readonly promise =
    "Source and group never take writes at the same time: not before the source is closed, and " +
    "never again after, unless it restarts.";
  private hasOpened = false;

  override redisChanged(server: RedisServer): void {
    const { source } = this.world;
    if (source === null || !server.isWritable()) return;
    this.hasOpened = true;
    const { redis, stood, isClosed } = source;
    if (!redis.alive || redis !== stood?.server || isClosed || source.isQuiet) return;
    this.broken(`${server.site.label} takes writes, and so does the source`);
  }

  override sourceAccepted(server: RedisServer): void {
    if (!this.hasOpened || server !== this.world.source?.stood?.server) return;
    this.broken("the source accepts a write although the group leads");
  }

  override decided(sidecar: Sidecar, _event: MemberEvent, actions: readonly Action[]): void {
    if (!this.hasOpened) return;
    for (const { type } of actions) {
      if (type === "openSource") this.broken(`${sidecar.pod.label} opens it beside a leader`);
    }
  }
}

export class KeepsItsOwn extends Checker {
  readonly name = "keeps its own";
  readonly promise = "A member with data of the group never gives it up for the source's.";

  override decided(sidecar: Sidecar, _event: MemberEvent, actions: readonly Action[]): void {
    const { source } = this.world.memberConfig;
    if (source === null) return;
    for (const action of actions) {
      if (action.type !== "redisRole" || action.command.kind !== "follow") continue;
      if (action.command.upstream.port !== source.port) continue;
      if (this.hasOwn(sidecar)) this.broken(`${sidecar.pod.label} follows the source over them`);
    }
  }

  private hasOwn({ pod, world }: Sidecar): boolean {
    const copies = copiesOf(pod);
    return world.ledger.writes.some(
      ({ place }) => place !== null && copies.some((copy) => holds(copy, place)),
    );
  }
}
