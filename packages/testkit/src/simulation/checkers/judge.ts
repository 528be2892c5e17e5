/** Tells all checkers what happens, and the timeline what a reader wants to see. */
import type { LeaseRecord, LeaseWrite } from "@leasehold/election";
import type { Action, MemberEvent, SliceObservation } from "@leasehold/replication";
import type { StoreJudge } from "../api/store.ts";
import type { LedgerWrite } from "../clients/ledger.ts";
import type { Pod } from "../pod/pod.ts";
import type { Sidecar } from "../pod/sidecar.ts";
import type { RedisServer } from "../redis/server.ts";
import type { RedisJudge, WriteRequest } from "../redis/types.ts";
import type { World } from "../world.ts";
import { Addresses, Epochs, OwnInvariants, Strays, Turns } from "./conduct.ts";
import type { Checker } from "./checker.ts";
import { Durability } from "./durability.ts";
import { Founder } from "./founder.ts";
import { Freshness } from "./freshness.ts";
import { Lineage } from "./lineage.ts";
import { KeepsItsOwn, MovedTwice, MovedWhole, OneTaker } from "./moving.ts";
import { OneWriter } from "./one-writer.ts";
import { Permits } from "./permits.ts";
import { Rights } from "./rights.ts";

export class Judge implements RedisJudge, StoreJudge {
  fullSyncs = 0;
  promotions = 0;
  private readonly world: World;
  private readonly checkers: readonly Checker[];

  constructor(world: World) {
    this.world = world;
    this.checkers = [
      new OneWriter(world),
      new Permits(world),
      new Rights(world),
      new Lineage(world),
      new Founder(world),
      new Durability(world),
      new Epochs(world),
      new Addresses(world),
      new Strays(world),
      new OwnInvariants(world),
      new Turns(world),
      new Freshness(world),
      new MovedWhole(world),
      new MovedTwice(world),
      new OneTaker(world),
      new KeepsItsOwn(world),
    ];
  }

  redisChanged(server: RedisServer): void {
    for (const checker of this.checkers) checker.redisChanged(server);
  }

  paused(server: RedisServer): void {
    for (const trap of this.world.traps) trap.paused?.(this.world.podOf(server));
  }

  accepted(server: RedisServer, request: WriteRequest): void {
    const { nowMs } = this.world.clock;
    this.world.ledger.accepted(request.id, server, { nowMs, isTail: this.isTail(server) });
    for (const checker of this.checkers) checker.accepted(server, request);
  }

  /** Thawed a moment ago, under the eyes of another holder. */
  private isTail(server: RedisServer): boolean {
    const { world } = this;
    if (world.exemptUntil(server) <= world.clock.nowMs) return false;
    const holder = world.store.lease?.record.holder ?? null;
    return holder === null || world.podOfIdentity(holder) !== world.podOf(server);
  }

  acknowledged(write: LedgerWrite): void {
    for (const checker of this.checkers) checker.acknowledged(write);
  }

  sourceAccepted(server: RedisServer): void {
    for (const checker of this.checkers) checker.sourceAccepted(server);
  }

  promoted(server: RedisServer, epoch: number): void {
    this.promotions += 1;
    const words = `promoted under epoch ${epoch}: ${server.replid}:${server.offset}`;
    this.world.log(server.site.label, words);
    for (const checker of this.checkers) checker.promoted(server, epoch);
  }

  fullSync(replica: RedisServer, upstream: RedisServer): void {
    this.fullSyncs += 1;
    this.world.log(replica.site.label, `full sync from ${upstream.site.label}`);
  }

  diverged(replica: RedisServer, upstream: RedisServer): void {
    for (const checker of this.checkers) checker.diverged(replica, upstream);
  }

  replidChanged(server: RedisServer): void {
    for (const checker of this.checkers) checker.replidChanged(server);
  }

  leaseCommitted(record: LeaseRecord, byHand: boolean): void {
    for (const checker of this.checkers) checker.leaseCommitted(record, byHand);
  }

  leaseDeleted(): void {
    for (const checker of this.checkers) checker.leaseDeleted();
  }

  leaseCreatedByPut(): void {
    for (const checker of this.checkers) checker.leaseCreatedByPut();
  }

  leaseSent(sidecar: Sidecar, write: LeaseWrite): void {
    for (const checker of this.checkers) checker.leaseSent(sidecar, write);
  }

  permitWritten(pod: Pod): void {
    for (const checker of this.checkers) checker.permitWritten(pod);
  }

  sliceCommitted(slice: SliceObservation, byHand: boolean): void {
    const to = slice.address?.host ?? "nobody";
    this.world.log("api", `slice: ${to} under epoch ${slice.epoch}${byHand ? " (by hand)" : ""}`);
    for (const checker of this.checkers) checker.sliceCommitted(slice, byHand);
  }

  sliceDeleted(): void {
    for (const checker of this.checkers) checker.sliceDeleted();
  }

  decided(sidecar: Sidecar, event: MemberEvent, actions: readonly Action[]): void {
    for (const checker of this.checkers) checker.decided(sidecar, event, actions);
    for (const trap of this.world.traps) trap.decided?.(sidecar, actions);
    this.world.trace(sidecar, event, actions);
  }

  sidecarEnded(_sidecar: Sidecar): void {}

  sampled(): void {
    for (const checker of this.checkers) checker.sampled();
  }

  ended(): void {
    for (const checker of this.checkers) checker.ended();
  }
}
