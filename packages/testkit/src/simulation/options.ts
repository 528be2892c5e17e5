/** What a seed draws before anything happens: size, engine, speeds, settings. */
import type { MemberConfig, PersistenceMode } from "@leasehold/replication";
import type { Random } from "../random.ts";
import { RELAY } from "./source/relay.ts";
import type { RedisOptions } from "./redis/types.ts";

export interface WorldOptions extends RedisOptions {
  readonly members: number;
  readonly mode: PersistenceMode;
  /** Redis 8 leaves an offset other than 0 after an AOF restart, under a random replid. */
  readonly restartedAofKeepsOffset: boolean;
  readonly clockErrorMax: number;
  readonly busyCluster: boolean;
  /** Between two writes of a client, on average. */
  readonly thinkMs: number;
  readonly config: MemberConfig;
}

/** What a profile fixes of it. */
export interface OptionsWish {
  readonly members?: number;
  readonly mode?: PersistenceMode;
  readonly fullSyncMs?: number;
  readonly loadMs?: number;
  readonly backlogBytes?: number;
  readonly thinkMs?: number;
  readonly config?: Partial<MemberConfig>;
  /** The group begins by following a source outside it. */
  readonly migrates?: boolean;
}

export function drawOptions(random: Random, wish: OptionsWish): WorldOptions {
  const members =
    wish.members ??
    random.weighted([
      [0.05, 1],
      [0.2, 2],
      [0.55, 3],
      [0.2, 5],
    ]);
  const modes = [
    [0.55, "aof"],
    [0.3, "rdb"],
    [0.15, "none"],
  ] as const;
  const mode = wish.mode ?? random.weighted<PersistenceMode>(modes);
  return {
    members,
    mode,
    fullSyncMs: wish.fullSyncMs ?? random.between(60, 1_500),
    loadMs: wish.loadMs ?? random.between(20, 900),
    replTimeoutMs: random.pick([10_000, 60_000]),
    backlogBytes: wish.backlogBytes ?? random.pick([4_000, 1_000_000]),
    snapshotMs: random.between(8_000, 30_000),
    restartedAofKeepsOffset: random.chance(0.3),
    clockErrorMax: random.pick([0, 0.005, 0.02]),
    busyCluster: random.chance(0.3),
    thinkMs: wish.thinkMs ?? random.between(25, 70),
    config: { ...drawConfig(random), mode, source: wish.migrates ? RELAY : null, ...wish.config },
  };
}

function drawConfig(random: Random): MemberConfig {
  const isFrugal = random.chance(0.08);
  return {
    group: "r",
    leaseDurationMs: isFrugal ? 15_000 : 5_000,
    renewIntervalMs: isFrugal ? 5_000 : 1_000,
    hangTimeoutMs: 2_000,
    busyTimeoutMs: 15_000,
    maxLagBytes: 64 * 1024 * 1024,
    source: null,
    read: { maxLagBytes: 64 * 1024 * 1024, maxStalenessMs: 60_000 },
    switchoverTimeoutMs: 10_000,
    maxPauseMs: 500,
    settleMs: 2_000,
    coldStartWaitMs: random.pick([10_000, 15_000]),
    onMissing: "nobody",
    failsafe: { enabled: true, alone: true },
    minReplicasToWrite: random.chance(0.15) ? 1 : 0,
    mode: "aof",
    priority: 1,
    deletionGraceForProxyMs: 1_100,
  };
}
