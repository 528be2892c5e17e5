/**
 * For each alert what makes it fire, and its neighbour that does not. Values as promtool writes
 * them: `1x40` is 1 and forty more, one each 15 s.
 */

type Series = Readonly<Record<string, string>>;

export interface AlertCase {
  readonly alert: string;
  /** When it is looked at. */
  readonly minutes: number;
  readonly fires: Series;
  readonly quiet: Series;
  /** How many fire; one where nothing is said. */
  readonly count?: number;
}

const WRITABLE = "leasehold_member_writable";

/** Member 0 is the primary, until something else is said. */
const LEADING: Series = { [`0 ${WRITABLE}`]: "1x600", [`1 ${WRITABLE}`]: "0x600" };

/** One that looks at a gauge of a member alone. */
function gauge(alert: string, minutes: number, ...[metric, bad, good]: string[]): AlertCase {
  const series = `1 leasehold_${metric}`;
  return { alert, minutes, fires: { [series]: bad! }, quiet: { [series]: good! } };
}

export const ALERT_CASES: readonly AlertCase[] = [
  {
    alert: "LeaseholdNoPrimary",
    minutes: 5,
    // No series at all is nobody, too.
    fires: { [`0 ${WRITABLE}`]: "1x12 0x20", [`1 ${WRITABLE}`]: "0x12 _x20" },
    // A failover of 15 s.
    quiet: { [`0 ${WRITABLE}`]: "1x17 0x20", [`1 ${WRITABLE}`]: "0x18 1x20" },
  },
  {
    alert: "LeaseholdTwoWritable",
    minutes: 5,
    fires: { [`0 ${WRITABLE}`]: "1x40", [`1 ${WRITABLE}`]: "0x8 1x40" },
    // A switchover: both have said yes when they were asked, one after the other.
    quiet: { [`0 ${WRITABLE}`]: "1x20 0x40", [`1 ${WRITABLE}`]: "0x17 1x40" },
  },
  {
    alert: "LeaseholdWriteAddressWrong",
    minutes: 5,
    fires: { ...LEADING, "0 leasehold_write_address_here": "0x40" },
    quiet: {
      ...LEADING,
      "0 leasehold_write_address_here": "1x40",
      "1 leasehold_write_address_here": "0x40",
    },
  },
  gauge("LeaseholdAofFailing", 5, "redis_aof_write_ok", "0x40", "1x40"),
  gauge("LeaseholdColdStartUndecided", 5, "cold_start_undecided", "1x40", "0x40"),
  {
    alert: "LeaseholdNoCandidate",
    minutes: 5,
    fires: { ...LEADING, "0 leasehold_candidates": "1x40", "1 leasehold_candidates": "2x40" },
    quiet: { ...LEADING, "0 leasehold_candidates": "2x40", "1 leasehold_candidates": "0x40" },
  },
  {
    alert: "LeaseholdMemberMissing",
    minutes: 10,
    fires: {
      "0 leasehold_redis_up": "1x40",
      "1 leasehold_redis_up": "1x40",
      "2 leasehold_redis_up": "0x40",
    },
    quiet: {
      "0 leasehold_redis_up": "1x40",
      "1 leasehold_redis_up": "1x40",
      "2 leasehold_redis_up": "1x40",
    },
  },
  gauge("LeaseholdReplicaNotInSync", 10, "member_ready", "0x40", "0x10 1x40"),
  {
    alert: "LeaseholdLagHigh",
    minutes: 5,
    fires: { ...LEADING, '0 leasehold_replication_lag_bytes{replica="b"}': "16777217x40" },
    // A member that does not lead knows old offsets.
    quiet: {
      ...LEADING,
      '0 leasehold_replication_lag_bytes{replica="b"}': "16777216x40",
      '1 leasehold_replication_lag_bytes{replica="b"}': "16777217x40",
    },
  },
  {
    alert: "LeaseholdFrequentLeaderChanges",
    minutes: 30,
    fires: {
      "0 leasehold_promotions_total": "0x20 1x20 2x80",
      "1 leasehold_promotions_total": "0x10 1x30 2x80",
    },
    quiet: {
      "0 leasehold_promotions_total": "0x20 1x100",
      "1 leasehold_promotions_total": "0x10 1x120",
    },
  },
  {
    alert: "LeaseholdRenewSlow",
    minutes: 20,
    fires: renewals("0+50x90", "0+60x90"),
    quiet: renewals("0+60x90", "0+60x90"),
  },
  gauge("LeaseholdFailsafeActive", 10, "failsafe_active", "1x40", "0x20 1x20"),
  gauge("LeaseholdPaused", 90, "paused", "1x400", "0x200 1x200"),
  gauge("LeaseholdWatchdogKill", 10, "watchdog_kills_total", "0x20 1x40", "3x60"),
  {
    alert: "LeaseholdMemoryNearLimit",
    minutes: 30,
    fires: memory("95x200", "100x200", "0x200"),
    // A cache, and a Redis without a limit.
    quiet: {
      ...memory("95x200", "100x200", "0+7x200"),
      "1 leasehold_redis_memory_used_bytes": "95x200",
      "1 leasehold_redis_memory_max_bytes": "0x200",
      "1 leasehold_redis_evicted_keys_total": "0x200",
    },
  },
  {
    alert: "LeaseholdVolumeFilling",
    minutes: 60,
    count: 2,
    fires: {
      "0 leasehold_volume_size_bytes": "1000x400",
      "0 leasehold_volume_free_bytes": "90x400",
      "1 leasehold_volume_size_bytes": "100000x400",
      "1 leasehold_volume_free_bytes": "39000-20x400",
    },
    quiet: {
      "0 leasehold_volume_size_bytes": "1000x400",
      "0 leasehold_volume_free_bytes": "110x400",
      "1 leasehold_volume_size_bytes": "100000x400",
      "1 leasehold_volume_free_bytes": "90000-20x400",
    },
  },
  // The clock of these tests begins at 0.
  gauge(
    ...(["LeaseholdCertificateExpiring", 120] as const),
    ...["certificate_expiry_timestamp_seconds", "1200000x600", "1300000x600"],
  ),
  gauge("LeaseholdCredentialsOutOfSync", 30, "credentials_in_sync", "0x200", "0x30 1x200"),
  gauge("LeaseholdRightsMissing", 30, "missing_rights", "1x200", "1x30 0x200"),
];

/** Of 60 renewals in 15 s that many took up to 2 s, the others up to 4. */
function renewals(fast: string, all: string): Series {
  const bucket = "0 leasehold_lease_renew_duration_seconds_bucket";
  return { [`${bucket}{le="2"}`]: fast, [`${bucket}{le="4"}`]: all, [`${bucket}{le="+Inf"}`]: all };
}

function memory(used: string, limit: string, evicted: string): Series {
  return {
    "0 leasehold_redis_memory_used_bytes": used,
    "0 leasehold_redis_memory_max_bytes": limit,
    "0 leasehold_redis_evicted_keys_total": evicted,
  };
}
