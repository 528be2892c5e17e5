/**
 * What kind of trouble a seed is about. A profile weighs the faults, says how many may overlap,
 * and fixes what it needs of the world; everything else is drawn.
 */
import type { OptionsWish } from "../options.ts";

export interface Profile {
  readonly name: string;
  readonly weight: number;
  readonly wish: OptionsWish;
  /** How long faults begin, shortest and longest. */
  readonly faultsMs: readonly [number, number];
  /** Mean time from the begin of one fault to the next. */
  readonly gapMs: number;
  readonly togetherMax: number;
  readonly faults: Readonly<Record<string, number>>;
}

const CALM = { faultsMs: [25_000, 45_000], gapMs: 9_000, togetherMax: 1 } as const;
const ROUGH = { faultsMs: [30_000, 55_000], gapMs: 3_500, togetherMax: 2 } as const;

export const PROFILES: readonly Profile[] = [
  {
    name: "switchovers",
    weight: 3,
    wish: {},
    faultsMs: [25_000, 40_000],
    gapMs: 2_000,
    togetherMax: 2,
    faults: {
      switchover: 12,
      "pod-delete": 3,
      "redis-client-unpause": 4,
      "slow-link": 2,
      "sidecar-crashes": 1,
      "redis-crashes": 1,
      "api-lossy": 1,
      "api-hangs": 1,
    },
  },
  {
    name: "one-at-a-time",
    weight: 4,
    wish: {},
    ...CALM,
    faults: {
      switchover: 2,
      "pod-delete": 2,
      "sidecar-crashes": 2,
      "sidecar-freezes": 3,
      "sidecar-terminated": 1,
      "redis-crashes": 3,
      "redis-stops": 3,
      "redis-script": 2,
      "redis-maxclients": 1,
      "redis-client-kill": 2,
      "container-crashes": 2,
      "container-freezes": 2,
      "pod-oom": 2,
      "node-power": 3,
      "node-loses-data": 1,
      "node-loses-volume": 1,
      "node-freezes": 2,
      "node-suspends": 2,
      partition: 4,
      "one-way-cut": 2,
    },
  },
  {
    name: "crashes",
    weight: 3,
    wish: {},
    ...ROUGH,
    faults: {
      "sidecar-crashes": 3,
      "sidecar-terminated": 1,
      "sidecar-lags": 2,
      "redis-crashes": 4,
      "container-crashes": 2,
      "pod-oom": 3,
      "node-power": 2,
      "node-loses-data": 1,
      "slow-disk": 2,
      switchover: 2,
      "api-slow": 1,
      "pod-delete": 1,
    },
  },
  {
    name: "freezes",
    weight: 3,
    wish: {},
    ...ROUGH,
    faults: {
      "sidecar-freezes": 4,
      "sidecar-lags": 3,
      "redis-stops": 3,
      "redis-script": 2,
      "container-freezes": 3,
      "node-freezes": 3,
      "node-suspends": 3,
      "redis-maxclients": 1,
      switchover: 2,
      "api-lossy": 1,
    },
  },
  {
    name: "api",
    weight: 4,
    wish: {},
    ...ROUGH,
    faults: {
      "api-hangs": 4,
      "api-refuses": 2,
      "api-errors": 2,
      "api-throttles": 1,
      "api-slow": 3,
      "api-lossy": 4,
      "api-hangs-for-one": 3,
      "api-lossy-for-one": 3,
      "api-slow-for-one": 2,
      "watch-silent": 2,
      "watch-late": 2,
      switchover: 4,
      "sidecar-crashes": 2,
      "redis-crashes": 1,
      "pod-delete": 1,
    },
  },
  {
    name: "partitions",
    weight: 3,
    wish: {},
    ...ROUGH,
    faults: {
      partition: 5,
      "one-way-cut": 4,
      "pair-cut": 3,
      "slow-link": 2,
      "packet-loss": 2,
      switchover: 3,
      "sidecar-crashes": 1,
      "redis-crashes": 1,
      "watch-silent": 1,
    },
  },
  {
    name: "failsafe",
    weight: 3,
    wish: {},
    ...ROUGH,
    gapMs: 2_500,
    togetherMax: 3,
    faults: {
      "api-hangs": 6,
      "api-lossy": 2,
      "api-hangs-for-one": 3,
      "sidecar-crashes": 3,
      "sidecar-freezes": 2,
      "sidecar-lags": 1,
      partition: 2,
      "pair-cut": 2,
      switchover: 3,
      "redis-crashes": 2,
      "lease-delete": 1,
      scale: 2,
      "pod-delete": 1,
    },
  },
  {
    name: "operators",
    weight: 2,
    wish: {},
    ...ROUGH,
    faults: {
      "lease-delete": 3,
      "lease-restore": 3,
      "lease-stranger": 1,
      "lease-short": 1,
      "lease-touched": 2,
      "slice-edit": 3,
      switchover: 3,
      "pause-mode": 2,
      "pod-delete": 3,
      reconfigure: 2,
      scale: 1,
      "sidecar-crashes": 1,
      "api-lossy": 1,
    },
  },
  {
    name: "restarts",
    weight: 2,
    wish: {},
    ...ROUGH,
    gapMs: 8_000,
    faults: {
      "total-power-loss": 4,
      "node-power": 3,
      "node-loses-data": 2,
      "node-loses-volume": 2,
      "pod-delete": 2,
      "foreign-restore": 2,
      "pod-oom": 2,
      "redis-crashes": 1,
      "api-hangs": 1,
    },
  },
  {
    name: "twins",
    weight: 1,
    wish: {},
    ...CALM,
    faults: { twin: 4, "sidecar-crashes": 1, switchover: 2, "api-lossy": 1, partition: 1 },
  },
];

export function profileNamed(name: string): Profile {
  const profile = PROFILES.find((candidate) => candidate.name === name);
  if (profile !== undefined) return profile;
  const names = PROFILES.map((candidate) => candidate.name).join(", ");
  throw new Error(`no profile is called "${name}"; there are: ${names}`);
}
