/**
 * What the decision core is told, derived from the settings: profiles become durations.
 */
import { join } from "node:path";
import type { MemberConfig } from "@leasehold/replication";
import type { Settings } from "./schema.ts";

const PROFILES = {
  fast: { leaseDurationMs: 5_000, renewIntervalMs: 1_000 },
  frugal: { leaseDurationMs: 15_000, renewIntervalMs: 5_000 },
} as const;

/** `source`: where Redis reaches a primary outside the group; null: there is none. */
export function memberConfig(
  settings: Settings,
  source: MemberConfig["source"] = null,
): MemberConfig {
  const { election, switchover, coldStart } = settings;
  const profile = PROFILES[election.profile];
  return {
    group: settings.group,
    leaseDurationMs: election.leaseDurationMs ?? profile.leaseDurationMs,
    renewIntervalMs: election.renewIntervalMs ?? profile.renewIntervalMs,
    hangTimeoutMs: election.hangTimeoutMs,
    busyTimeoutMs: election.busyTimeoutMs,
    maxLagBytes: election.maxLagBytes,
    source,
    read: settings.read,
    switchoverTimeoutMs: switchover.timeoutMs,
    maxPauseMs: switchover.maxPauseMs,
    settleMs: switchover.settleMs,
    coldStartWaitMs: coldStart.waitMs,
    onMissing: coldStart.onMissing,
    failsafe: { enabled: election.failsafeEnabled, alone: election.failsafeAlone },
    minReplicasToWrite: settings.durability.minReplicasToWrite,
    mode: settings.persistence.mode,
    priority: priorityOf(settings),
    deletionGraceForProxyMs: switchover.deletionGraceForProxyMs,
  };
}

/** All members of a chart read the same file; who is meant is in the line. */
function priorityOf({ member, election }: Settings): number {
  const line = election.priorities.find((one) => one.startsWith(`${member.name} `));
  return line === undefined ? member.priority : Number(line.slice(member.name.length + 1));
}

/** `orders-2` → 2. */
export function ordinalOf(member: string): number {
  return Number(member.slice(member.lastIndexOf("-") + 1));
}

export function socketPath(settings: Settings): string {
  return settings.redis.socket || join(settings.directories.run, "redis.sock");
}
