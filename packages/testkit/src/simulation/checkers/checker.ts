/**
 * What is promised, and how it is noticed that a promise was broken. A checker sees the truth
 * (true time, the whole world), which no member ever does, and changes nothing.
 */
import type { LeaseRecord, LeaseWrite } from "@leasehold/election";
import type { Action, MemberEvent, SliceObservation } from "@leasehold/replication";
import type { LedgerWrite } from "../clients/ledger.ts";
import type { Pod } from "../pod/pod.ts";
import type { Sidecar } from "../pod/sidecar.ts";
import type { RedisServer } from "../redis/server.ts";
import type { WriteRequest } from "../redis/types.ts";
import type { World } from "../world.ts";

/** Every hook is called at the instant at which the thing happens. */
export abstract class Checker {
  readonly world: World;
  abstract readonly name: string;
  /** One sentence, as docs/protocol.md makes it. */
  abstract readonly promise: string;

  constructor(world: World) {
    this.world = world;
  }

  protected broken(words: string): void {
    this.world.violate({ checker: this.name, promise: this.promise, words });
  }

  redisChanged(_server: RedisServer): void {}
  accepted(_server: RedisServer, _request: WriteRequest): void {}
  acknowledged(_write: LedgerWrite): void {}
  sourceAccepted(_server: RedisServer): void {}
  promoted(_server: RedisServer, _epoch: number): void {}
  replidChanged(_server: RedisServer): void {}
  diverged(_replica: RedisServer, _upstream: RedisServer): void {}
  leaseCommitted(_record: LeaseRecord, _byHand: boolean): void {}
  leaseDeleted(): void {}
  leaseCreatedByPut(): void {}
  leaseSent(_sidecar: Sidecar, _write: LeaseWrite): void {}
  permitWritten(_pod: Pod): void {}
  sliceCommitted(_slice: SliceObservation, _byHand: boolean): void {}
  sliceDeleted(): void {}
  decided(_sidecar: Sidecar, _event: MemberEvent, _actions: readonly Action[]): void {}
  /** Ten times a second. */
  sampled(): void {}
  /** After the last fault, once the group has had its time. */
  ended(): void {}
}
