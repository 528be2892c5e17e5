/**
 * What of a world outlives the process in it, and what must be true of it at any moment, whatever
 * comes next.
 */
import type { LeaseWrite, VersionedLease } from "@leasehold/election";
import type {
  MemberRecord,
  MemberReport,
  Permit,
  PersistenceMode,
  PodsObservation,
  RedisInfo,
  RoleCommand,
  SliceObservation,
} from "../../src/index.ts";
import { GATE } from "./defaults.ts";

/**
 * down: nothing is answered. answersLost: writes commit, nobody hears of it. readOnly: writes fail
 * with an unknown outcome. writeOnly: reads fail. conflicts: writes are refused, reads fail.
 */
export type ApiWay = "up" | "down" | "answersLost" | "readOnly" | "writeOnly" | "conflicts";

/** Everything but the process itself. */
export interface Outside {
  nowMs: number;
  api: ApiWay;
  lease: VersionedLease | null;
  version: number;
  slice: SliceObservation;
  pods: PodsObservation;
  redis: RedisInfo | null;
  pausedUntilMs: number;
  peers: Map<string, MemberReport>;
  /** Histories that were in the Lease or the slice, or that every listed member recorded. */
  told: readonly string[];
  permit: Permit | null;
  record: MemberRecord | null;
}

/** Rules that the outside world sees broken. */
export function dangersOf(outside: Outside, me: { identity: string; nonce: string }): string[] {
  const { redis, permit, lease, slice } = outside;
  const found: string[] = [];
  const ownWrite = lease?.record.attempt?.startsWith(`${me.nonce}.`) ?? false;
  const gave = ownWrite && lease?.record.holder !== me.identity;
  if (gave && permit?.kind === "lead") found.push("the Lease was given away beside a deadline");
  if (redis?.role !== "primary" || outside.nowMs < outside.pausedUntilMs) return found;
  if (permit?.kind !== "lead") found.push("writable without a deadline");
  if (gave) found.push("the Lease was given away over a writable Redis");
  const lineage = [...(lease?.record.lineage ?? []), ...slice.lineage];
  const known = [...lineage.map((entry) => entry.replid), ...outside.told];
  if (!known.includes(redis.replid)) {
    found.push(`writable under ${redis.replid}, which nobody knows`);
  }
  return found;
}

/** The same when no process comes back: until the guard's deadline, or for ever without one. */
export function dangersIfLeftAlone(
  outside: Outside,
  me: { identity: string; nonce: string },
): string[] {
  const { permit } = outside;
  const nowMs = permit?.kind === "lead" ? permit.deadlineBootMs - 1 : Infinity;
  return dangersOf({ ...outside, nowMs }, me).map((danger) => `left alone, ${danger}`);
}

/**
 * Equal for two moments at which a new process meets the same: instants count from now, versions
 * and attempts by their kind alone.
 */
export function situationOf(outside: Outside): string {
  const { nowMs, api, lease, slice, pods, redis, pausedUntilMs, permit, record } = outside;
  const left = (untilMs: number): number => Math.max(0, untilMs - nowMs);
  const deadline =
    permit?.kind === "lead" ? { ...permit, leftMs: left(permit.deadlineBootMs) } : null;
  return JSON.stringify([
    api,
    lease === null ? null : { ...lease.record, attempt: lease.record.attempt?.split(".")[0] },
    { ...slice, version: slice.version === null ? null : "some" },
    pods,
    redis,
    left(pausedUntilMs),
    [...outside.peers],
    outside.told,
    deadline === null ? permit : { ...deadline, deadlineBootMs: null },
    record,
  ]);
}

/** What a role command makes of a Redis. A link it asks for comes up when a scenario says so. */
export function afterRole(redis: RedisInfo, command: RoleCommand): RedisInfo {
  switch (command.kind) {
    case "promote":
      if (redis.role === "primary") return redis;
      return {
        ...redis,
        role: "primary",
        replid: `rho-${command.epoch}`,
        replid2: redis.replid,
        secondOffset: redis.offset + 1,
        upstream: null,
        linkUp: false,
      };
    case "demote":
      return { ...redis, role: "replica", upstream: GATE, linkUp: false };
    case "follow":
      return { ...redis, upstream: command.upstream, linkUp: false };
    default:
      return redis;
  }
}

export function pausedUntil(outside: Outside, command: RoleCommand): number {
  const pauses = command.kind === "promote" || command.kind === "pause";
  if (pauses) return outside.nowMs + command.pauseMs;
  const lifts = command.kind === "unpause" || (command.kind === "demote" && command.cutClients);
  return lifts ? 0 : outside.pausedUntilMs;
}

/** A Redis that the guard killed and started again: AOF forgets the replid, a snapshot does not. */
export function restarted(redis: RedisInfo, mode: PersistenceMode): RedisInfo {
  const { pid, runId, replid, offset } = redis;
  const history = mode === "rdb" ? { replid, offset } : { replid: `random-${runId}`, offset: 0 };
  const gated = { role: "replica", upstream: GATE, linkUp: false, replid2: null } as const;
  return { ...redis, ...history, ...gated, secondOffset: -1, pid: pid + 1, runId: `${runId}-b` };
}

/** The Lease after a write that was under way when its sender died; null: it was refused. */
export function landed(outside: Outside, write: LeaseWrite): Partial<Outside> | null {
  const { lease } = outside;
  if ((write.base?.resourceVersion ?? null) !== (lease?.resourceVersion ?? null)) return null;
  const version = outside.version + 1;
  const { record } = write;
  return { version, lease: { uid: "lease-1", resourceVersion: `${version}`, record } };
}
