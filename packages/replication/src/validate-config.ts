/**
 * Contradictions in the settings, each as a sentence that names the key and says what to do.
 * Timings that are not listed cannot contradict: they are derived (docs/protocol.md, section 2).
 */
import { MIN_LEASE_DURATION_MS, validityMs } from "@leasehold/election";
import type { MemberConfig } from "./config.ts";

const MAX_MEMBERS = 7;

/** Sentences; empty when the settings can be used. `replicas` null: not known yet. */
export function configProblems(config: MemberConfig, replicas: number | null): readonly string[] {
  return [
    ...leaseProblems(config),
    ...redisProblems(config),
    ...switchoverProblems(config),
    ...durabilityProblems(config, replicas),
  ];
}

function leaseProblems(config: MemberConfig): readonly string[] {
  const { leaseDurationMs, renewIntervalMs } = config;
  const found: string[] = [];
  if (leaseDurationMs < MIN_LEASE_DURATION_MS) {
    found.push(
      `leaseDurationMs (${leaseDurationMs}) must be ${MIN_LEASE_DURATION_MS} or more: ` +
        "the guard needs the margin, or two primaries could overlap.",
    );
  }
  if (leaseDurationMs % 1000 !== 0) {
    found.push(
      `leaseDurationMs (${leaseDurationMs}) must be whole seconds: the Lease stores seconds.`,
    );
  }
  if (renewIntervalMs <= 0 || renewIntervalMs * 2 > validityMs(leaseDurationMs)) {
    found.push(
      `renewIntervalMs (${renewIntervalMs}) must be above 0 and at most half of ` +
        `0.9 leaseDurationMs - 500 ms (${validityMs(leaseDurationMs) / 2}): ` +
        "one lost renewal must not cost the lead.",
    );
  }
  return found;
}

function redisProblems(config: MemberConfig): readonly string[] {
  const { hangTimeoutMs, busyTimeoutMs, maxLagBytes } = config;
  const found: string[] = [];
  if (hangTimeoutMs < 1000) {
    found.push(
      `hangTimeoutMs (${hangTimeoutMs}) must be 1000 or more: a fork or a slow command is no hang.`,
    );
  }
  if (busyTimeoutMs < hangTimeoutMs) {
    found.push(
      `busyTimeoutMs (${busyTimeoutMs}) must not be below hangTimeoutMs (${hangTimeoutMs}): ` +
        "a Redis that answers BUSY is more alive than a silent one.",
    );
  }
  if (maxLagBytes < 0) found.push(`maxLagBytes (${maxLagBytes}) must be 0 or more.`);
  return found;
}

function switchoverProblems(config: MemberConfig): readonly string[] {
  const { maxPauseMs, leaseDurationMs, settleMs, coldStartWaitMs } = config;
  const found: string[] = [];
  if (maxPauseMs < 100 || maxPauseMs > 1000) {
    found.push(
      `maxPauseMs (${maxPauseMs}) must be between 100 and 1000: clients wait so long at most.`,
    );
  }
  if (settleMs < 0 || settleMs > leaseDurationMs) {
    found.push(
      `settleMs (${settleMs}) must be between 0 and leaseDurationMs (${leaseDurationMs}).`,
    );
  }
  if (coldStartWaitMs < 0) found.push(`coldStartWaitMs (${coldStartWaitMs}) must be 0 or more.`);
  return found;
}

function durabilityProblems(config: MemberConfig, replicas: number | null): readonly string[] {
  const { minReplicasToWrite, priority } = config;
  const found: string[] = [];
  if (!Number.isInteger(minReplicasToWrite) || minReplicasToWrite < 0) {
    found.push(`minReplicasToWrite (${minReplicasToWrite}) must be a whole number, 0 or more.`);
  }
  if (replicas !== null && minReplicasToWrite >= replicas) {
    found.push(
      `minReplicasToWrite (${minReplicasToWrite}) must be lower than replicas (${replicas}): ` +
        "no write could ever be accepted while one member is away.",
    );
  }
  if (replicas !== null && replicas > MAX_MEMBERS) {
    found.push(
      `replicas (${replicas}) must be at most ${MAX_MEMBERS}: each member asks all others.`,
    );
  }
  if (priority < 0) found.push(`priority (${priority}) must be 0 (never leader) or more.`);
  return found;
}
