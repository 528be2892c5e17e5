/**
 * What the decision core is told, derived from the settings: profiles become durations, and
 * files with secrets are read.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { MemberConfig } from "@leasehold/replication";
import type { Settings } from "./schema.ts";

const PROFILES = {
  fast: { leaseDurationMs: 5_000, renewIntervalMs: 1_000 },
  frugal: { leaseDurationMs: 15_000, renewIntervalMs: 5_000 },
} as const;

export function memberConfig(settings: Settings): MemberConfig {
  const { election, switchover, coldStart } = settings;
  const profile = PROFILES[election.profile];
  return {
    group: settings.group,
    leaseDurationMs: election.leaseDurationMs ?? profile.leaseDurationMs,
    renewIntervalMs: election.renewIntervalMs ?? profile.renewIntervalMs,
    hangTimeoutMs: election.hangTimeoutMs,
    busyTimeoutMs: election.busyTimeoutMs,
    maxLagBytes: election.maxLagBytes,
    switchoverTimeoutMs: switchover.timeoutMs,
    maxPauseMs: switchover.maxPauseMs,
    settleMs: switchover.settleMs,
    coldStartWaitMs: coldStart.waitMs,
    onMissing: coldStart.onMissing,
    failsafe: { enabled: election.failsafeEnabled, alone: election.failsafeAlone },
    minReplicasToWrite: settings.durability.minReplicasToWrite,
    mode: settings.persistence.mode,
    priority: settings.member.priority,
    deletionGraceForProxyMs: switchover.deletionGraceForProxyMs,
  };
}

/** `orders-2` → 2. */
export function ordinalOf(member: string): number {
  return Number(member.slice(member.lastIndexOf("-") + 1));
}

export function socketPath(settings: Settings): string {
  return settings.redis.socket || join(settings.directories.run, "redis.sock");
}

export interface Secrets {
  /** Empty: Redis asks for none. */
  readonly redisPassword: string;
  readonly peerKey: string;
}

/** Throws an Error that names the key if a file cannot be read or the members' key is missing. */
export function readSecrets(settings: Settings): Secrets {
  const { redis, peers } = settings;
  const peerKey = secret(peers.key, peers.keyFile, "peers.keyFile");
  if (peerKey === "") {
    throw new Error("peers.keyFile is missing: the members of a group prove themselves with it.");
  }
  return {
    redisPassword: secret(redis.password, redis.passwordFile, "redis.passwordFile"),
    peerKey,
  };
}

function secret(value: string, file: string, key: string): string {
  if (file === "") return value;
  try {
    return readFileSync(file, "utf8").trimEnd();
  } catch (error) {
    throw new Error(`${key} (${file}) cannot be read: ${String(error)}`, { cause: error });
  }
}
