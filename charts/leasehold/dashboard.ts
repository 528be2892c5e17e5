/**
 * The Grafana dashboard, as a table of panels: `files/dashboard.json` is made of it by
 * `node document.ts`.
 *
 * Pure data. Namespace and group are variables, so that one dashboard shows any group; the chart
 * sets which one it begins with. `<members>` in an expression selects the group's series. Only
 * fields that Grafana has no default for are written.
 */

const MEMBERS = 'namespace="$namespace",pod=~"$group-[0-9]+"';
const DATASOURCE = { type: "prometheus", uid: "${datasource}" };
const COLUMNS = 24;

interface Query {
  readonly expr: string;
  readonly legend: string;
}

interface Panel {
  readonly title: string;
  readonly type: "stat" | "timeseries" | "state-timeline" | "table";
  readonly width: number;
  readonly queries: readonly Query[];
  /** Grafana's name of a unit. */
  readonly unit?: string;
  /** What a value is called, for states. */
  readonly words?: Readonly<Record<number, string>>;
  /** From this value on it is red; below, green. */
  readonly redFrom?: number;
  /** Below this value it is red. */
  readonly redBelow?: number;
}

const perPod = (metric: string): Query => ({ expr: `${metric}{<members>}`, legend: "{{pod}}" });

const rate = (metric: string, by: string): Query => ({
  expr: `sum by (${by}) (rate(${metric}{<members>}[$__rate_interval]))`,
  legend: `{{${by}}}`,
});

/** As the primary knows it. */
const ofPrimary = (expr: string): string =>
  `${expr} and on (namespace, pod) leasehold_member_writable{<members>} == 1`;

const YES_NO = { 0: "no", 1: "yes" } as const;

const GROUP_PANELS: readonly Panel[] = [
  stat("Members that take writes", "sum(leasehold_member_writable{<members>})", { redFrom: 2 }),
  stat("Members in sync", "sum(leasehold_member_ready{<members>})", { redBelow: 1 }),
  stat("Fit to take over", `max(${ofPrimary("leasehold_candidates{<members>}")}) - 1`, {
    redBelow: 1,
  }),
  stat("Epoch", "max(leasehold_epoch{<members>})", {}),
  stat("Failover paused", "max(leasehold_paused{<members>})", { redFrom: 1, words: YES_NO }),
  stat("Leads without the API", "max(leasehold_failsafe_active{<members>})", {
    redFrom: 1,
    words: YES_NO,
  }),
  stat("Leader changes in 24 h", "sum(increase(leasehold_promotions_total{<members>}[24h]))", {}),
  stat(
    "Certificate expires in",
    "min(leasehold_certificate_expiry_timestamp_seconds{<members>}) - time()",
    { redBelow: 1_209_600, unit: "s" },
  ),
];

const ELECTION_PANELS: readonly Panel[] = [
  states("Who takes writes", "leasehold_member_writable", { 0: "no", 1: "primary" }),
  states("Where the write address leads", "leasehold_write_address_here", { 0: "no", 1: "here" }),
  series("Time left of the right to lead", "s", [perPod("leasehold_lease_valid_seconds")]),
  series("Renewals of the Lease, from send to answer", "s", [
    quantile(0.5, "leasehold_lease_renew_duration_seconds"),
    quantile(0.99, "leasehold_lease_renew_duration_seconds"),
  ]),
  series("Renewals refused or unknown", "ops", [
    rate("leasehold_lease_renew_errors_total", "reason"),
  ]),
  series("Writes of the EndpointSlice", "ops", [
    rate("leasehold_endpointslice_writes_total", "result"),
    {
      expr: "sum(rate(leasehold_endpointslice_repairs_total{<members>}[$__rate_interval]))",
      legend: "put right",
    },
  ]),
  series("Leader changes", "short", [
    {
      expr: "sum by (kind, reason) (increase(leasehold_leader_changes_total{<members>}[$__rate_interval]))",
      legend: "{{kind}} {{reason}}",
    },
  ]),
  series("Switchovers refused or aborted", "short", [
    {
      expr: "sum by (reason) (increase(leasehold_switchovers_refused_total{<members>}[$__rate_interval]))",
      legend: "{{reason}}",
    },
  ]),
  series("Demotions that cut clients, and kills by the guard", "short", [
    {
      expr: "sum by (reason) (increase(leasehold_fences_total{<members>}[$__rate_interval]))",
      legend: "{{reason}}",
    },
    {
      expr: "sum by (pod) (increase(leasehold_watchdog_kills_total{<members>}[$__rate_interval]))",
      legend: "killed on {{pod}}",
    },
  ]),
  series("Most that the last failover can have lost", "bytes", [
    perPod("leasehold_failover_lost_bytes_max"),
  ]),
];

const REPLICATION_PANELS: readonly Panel[] = [
  states("In sync", "leasehold_member_ready", YES_NO),
  states("Full copy under way", "leasehold_replication_syncing", YES_NO),
  series("Behind the primary", "bytes", [
    {
      expr: `max by (replica) (${ofPrimary("leasehold_replication_lag_bytes{<members>}")})`,
      legend: "{{replica}}",
    },
  ]),
  series("Replication stream", "Bps", [
    {
      expr: "rate(leasehold_replication_offset_bytes{<members>}[$__rate_interval])",
      legend: "{{pod}}",
    },
  ]),
];

const REDIS_PANELS: readonly Panel[] = [
  series("Memory, and its limit", "bytes", [
    perPod("leasehold_redis_memory_used_bytes"),
    { expr: "max(leasehold_redis_memory_max_bytes{<members>})", legend: "maxmemory" },
  ]),
  series("Commands", "ops", [rate("leasehold_redis_commands_total", "pod")]),
  series("Clients", "short", [perPod("leasehold_redis_connected_clients")]),
  series("Keys given up for memory", "ops", [rate("leasehold_redis_evicted_keys_total", "pod")]),
  series("Volume that is free, and in a day at this pace", "bytes", [
    perPod("leasehold_volume_free_bytes"),
    {
      expr: "predict_linear(leasehold_volume_free_bytes{<members>}[6h], 86400)",
      legend: "{{pod}} in a day",
    },
  ]),
  states("Writes to disk", "leasehold_redis_aof_write_ok", { 0: "failing", 1: "well" }),
  series("Greatest lateness of the sidecar's loop", "s", [perPod("leasehold_loop_lag_seconds")]),
  {
    title: "Versions and settings",
    type: "table",
    width: 12,
    queries: [
      { expr: "max by (pod, engine_version) (leasehold_info{<members>})", legend: "" },
      {
        expr: "max by (pod) (leasehold_config_pending_restart{<members>})",
        legend: "waits for a restart",
      },
    ],
  },
];

function stat(title: string, expr: string, rest: Partial<Panel>): Panel {
  return { title, type: "stat", width: 3, queries: [{ expr, legend: "" }], ...rest };
}

function series(title: string, unit: string, queries: readonly Query[]): Panel {
  return { title, type: "timeseries", width: 12, unit, queries };
}

function states(title: string, metric: string, words: Readonly<Record<number, string>>): Panel {
  return { title, type: "state-timeline", width: 12, queries: [perPod(metric)], words };
}

function quantile(share: number, histogram: string): Query {
  const rates = `rate(${histogram}_bucket{<members>}[$__rate_interval])`;
  return {
    expr: `histogram_quantile(${share}, sum by (le) (${rates}))`,
    legend: `${share * 100} %`,
  };
}

const inScope = (expr: string): string => expr.replaceAll("<members>", MEMBERS);

function panelJson(panel: Panel, gridPos: object, id: number) {
  const { title, type, queries, unit, words, redFrom, redBelow } = panel;
  const red = { color: "red", value: redFrom ?? null };
  const steps =
    redBelow === undefined
      ? [{ color: "green", value: null }, ...(redFrom === undefined ? [] : [red])]
      : [red, { color: "green", value: redBelow }];
  const options: Record<string, { readonly text: string }> = {};
  for (const [value, text] of Object.entries(words ?? {})) options[value] = { text };
  return {
    id,
    title,
    type,
    gridPos,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        ...(unit === undefined ? {} : { unit }),
        thresholds: { mode: "absolute", steps },
        mappings: words ? [{ type: "value", options }] : [],
      },
      overrides: [],
    },
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource: DATASOURCE,
      expr: inScope(expr),
      legendFormat: legend,
      ...(type === "table" ? { format: "table", instant: true } : {}),
    })),
  };
}

/** From left to right, and a new line where one is full. */
function laidOut(sections: Readonly<Record<string, readonly Panel[]>>) {
  const placed: object[] = [];
  let [x, y, height] = [0, 0, 0];
  const place = (width: number, ownHeight: number): object => {
    if (x + width > COLUMNS) [x, y] = [0, y + height];
    const gridPos = { x, y, w: width, h: ownHeight };
    [x, height] = [x + width, ownHeight];
    return gridPos;
  };
  for (const [title, panels] of Object.entries(sections)) {
    x = COLUMNS;
    const row = { id: placed.length + 1, title, type: "row", collapsed: false, panels: [] };
    placed.push({ ...row, gridPos: place(COLUMNS, 1) });
    x = COLUMNS;
    for (const panel of panels) {
      const gridPos = place(panel.width, panel.type === "stat" ? 4 : 7);
      placed.push(panelJson(panel, gridPos, placed.length + 1));
    }
  }
  return placed;
}

function variable(name: string, expr: string, regex: string) {
  return {
    name,
    type: "query",
    datasource: DATASOURCE,
    query: { query: expr, refId: name },
    definition: expr,
    regex,
    refresh: 2,
    sort: 1,
  };
}

export const DASHBOARD = {
  title: "Leasehold",
  uid: "leasehold",
  tags: ["leasehold", "redis"],
  schemaVersion: 39,
  timezone: "browser",
  editable: true,
  refresh: "30s",
  time: { from: "now-6h", to: "now" },
  templating: {
    list: [
      { name: "datasource", type: "datasource", query: "prometheus" },
      variable("namespace", "label_values(leasehold_info, namespace)", ""),
      variable(
        "group",
        'label_values(leasehold_info{namespace="$namespace"}, pod)',
        "/^(.*)-[0-9]+$/",
      ),
    ],
  },
  annotations: {
    list: [
      {
        name: "Leader changes",
        enable: true,
        iconColor: "orange",
        datasource: DATASOURCE,
        expr: inScope("sum by (pod) (increase(leasehold_promotions_total{<members>}[1m])) > 0"),
        step: "60s",
        titleFormat: "{{pod}} leads",
      },
    ],
  },
  panels: laidOut({
    Group: GROUP_PANELS,
    Election: ELECTION_PANELS,
    Replication: REPLICATION_PANELS,
    Redis: REDIS_PANELS,
  }),
};
