/**
 * Alerts and dashboard: Prometheus reads every expression, each alert fires for what it is there
 * for and for nothing else that is tried here, and all of it rests on metrics that there are.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { ALERTS } from "../alerts.ts";
import { ALERT_CASES, type AlertCase } from "./alert-cases.ts";
import { metricNamesIn } from "./expressions.ts";
import { find, GROUP, NAMESPACE, render, repositoryFile, type Rendered } from "./render.ts";

/** Runs promtool over files of one folder, which is its working folder. */
async function promtool(files: Readonly<Record<string, unknown>>, ...args: readonly string[]) {
  const cwd = mkdtempSync(join(tmpdir(), "leasehold-promtool-"));
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(cwd, name), stringify(content));
  }
  return new Promise<{ readonly code: number; readonly output: string }>((resolve, reject) => {
    execFile("promtool", args, { cwd, timeout: 50_000 }, (error, stdout, stderr) => {
      rmSync(cwd, { recursive: true });
      const code = error?.code ?? 0;
      if (typeof code === "number") resolve({ code, output: stdout + stderr });
      else reject(new Error(`promtool did not run (${code}): npm test brings it.`));
    });
  });
}

async function ruleGroups(values: object = {}): Promise<Rendered> {
  return find(await render({ ci: "metrics", values }), "PrometheusRule").spec;
}

async function dashboard(): Promise<Rendered> {
  const { data } = find(await render({ ci: "metrics" }), "ConfigMap", `${GROUP}-dashboard`);
  return JSON.parse(data[`${NAMESPACE}-${GROUP}.json`]);
}

async function dashboardExpressions(): Promise<readonly string[]> {
  const { panels, annotations } = await dashboard();
  const targets = panels.flatMap(({ targets: all = [] }: Rendered) => all);
  const all = [...targets, ...annotations.list].map(({ expr }: Rendered) => expr as string);
  // Grafana puts a number there.
  return all.map((expr) => expr.replaceAll("$__rate_interval", "1m"));
}

test("Prometheus takes every rule, and every expression of the dashboard", async () => {
  const rules = (await dashboardExpressions()).map((expr, index) => ({
    record: `panel:${index}`,
    expr,
  }));
  expect(rules.length).toBeGreaterThan(30);
  const files = {
    "rules.yaml": await ruleGroups(),
    "panels.yaml": { groups: [{ name: "panels", rules }] },
  };
  const { code, output } = await promtool(files, "check", "rules", "rules.yaml", "panels.yaml");
  expect(output).toMatch(/SUCCESS: \d+ rules found/);
  expect(code).toBe(0);
  const broken = { "rules.yaml": { groups: [{ name: "g", rules: [{ record: "r", expr: "(" }] }] } };
  expect((await promtool(broken, "check", "rules", "rules.yaml")).code).not.toBe(0);
});

test("every metric in them is one that docs/metrics.md has", async () => {
  const known = new Set(
    [...repositoryFile("docs/metrics.md").matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name),
  );
  const { groups } = await ruleGroups();
  const rules: readonly string[] = groups[0].rules.map(({ expr }: Rendered) => expr);
  const used = [...rules, ...(await dashboardExpressions())].flatMap(metricNamesIn);
  expect(used.length).toBeGreaterThan(50);
  expect(used.filter((name) => !known.has(name))).toEqual([]);
  expect(metricNamesIn('sum(rate(up{a="b"}[1m])) / leasehold_x_bucket{}')).toEqual([
    "up",
    "leasehold_x",
  ]);
});

describe("an alert", () => {
  test("is tried for each that there is", () => {
    expect(ALERT_CASES.map(({ alert }) => alert)).toEqual(ALERTS.map(({ alert }) => alert));
  });

  test("fires for what it is there for, is quiet for its neighbour, and is one group's", async () => {
    const [first] = ALERT_CASES;
    const others = Object.entries(first!.fires).map(([name, values]) => [`other-${name}`, values]);
    const files = {
      "rules.yaml": await ruleGroups(),
      "test.yaml": unitTests([
        ...ALERT_CASES.map((one) => unitTest(one, "fires", one.fires, one.count ?? 1)),
        ...ALERT_CASES.map((one) => unitTest(one, "quiet", one.quiet, 0)),
        unitTest(first!, "another group", { ...first!.quiet, ...Object.fromEntries(others) }, 0),
      ]),
      "wrong.yaml": unitTests([unitTest(first!, "fires", first!.fires, 0)]),
    };
    const { code, output } = await promtool(files, "test", "rules", "test.yaml");
    expect(output).toContain("SUCCESS");
    expect(code).toBe(0);
    expect((await promtool(files, "test", "rules", "wrong.yaml")).code).not.toBe(0);
  });

  test("says how bad it is, of which group, what is wrong and what to do", async () => {
    const { groups } = await ruleGroups();
    for (const { alert, labels, annotations } of groups[0].rules) {
      expect(["critical", "warning"]).toContain(labels.severity);
      expect(labels).toMatchObject({ namespace: NAMESPACE, group: GROUP });
      expect(annotations.summary.length).toBeGreaterThan(10);
      expect(annotations.description.length).toBeGreaterThan(20);
      expect(annotations.runbook_url).toBe(`https://example.org/alerts#${alert.toLowerCase()}`);
      expect(repositoryFile("docs/alerts.md")).toContain(`## ${alert}\n`);
      expect(JSON.stringify({ annotations, alert })).not.toMatch(/<\w+>/);
    }
  });

  test("names commands that there are", () => {
    const named = ALERTS.flatMap(({ description }) =>
      [...description.matchAll(/`leasehold (\w+)/g)].map(([, name]) => name),
    );
    const page = repositoryFile("docs/cli.md");
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !page.includes(`\n## ${name}\n`))).toEqual([]);
  });

  test("follows the values, and one about others is not there for a group of one", async () => {
    const values = {
      replicas: 1,
      metrics: {
        prometheusRule: {
          thresholds: { lagBytes: 1e9, noLeaderSeconds: 90 },
          extraRules: [{ record: "own", expr: "vector(1)" }],
        },
      },
    };
    const { rules } = (await ruleGroups(values)).groups[0];
    const names = rules.map(({ alert }: Rendered) => alert);
    expect(names).not.toContain("LeaseholdNoCandidate");
    expect(names).toContain("LeaseholdMemberMissing");
    expect(JSON.stringify(rules)).toContain("> 1000000000");
    expect(rules[0].for).toBe("90s");
    expect(rules.at(-1)).toEqual({ record: "own", expr: "vector(1)" });
  });
});

test("the dashboard begins with its group, overlaps nowhere, and can be there twice", async () => {
  const { uid, panels, templating } = await dashboard();
  const [, namespace, group] = templating.list;
  expect([namespace.current.value, group.current.value]).toEqual([NAMESPACE, GROUP]);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }: Rendered) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  const other = find(
    await render({ ci: "metrics", release: "carts" }),
    "ConfigMap",
    "carts-leasehold-dashboard",
  );
  expect(JSON.parse(other.data["shop-carts-leasehold.json"]).uid).not.toBe(uid);
  expect(other.metadata.labels.grafana_dashboard).toBe("1");
  expect(other.metadata.annotations.grafana_folder).toBe("Redis");
});

function unitTests(tests: readonly object[]) {
  return { rule_files: ["rules.yaml"], evaluation_interval: "15s", tests };
}

function unitTest(
  { alert, minutes }: AlertCase,
  ...[words, series, count]: [string, AlertCase["fires"], number]
) {
  return {
    name: `${alert}: ${words}`,
    interval: "15s",
    input_series: Object.entries(series).map(([name, values]) => ({
      series: seriesName(name),
      values,
    })),
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${alert}",alertstate="firing",group="${GROUP}"})`,
        eval_time: `${minutes}m`,
        exp_samples: count > 0 ? [{ labels: "{}", value: count }] : [],
      },
    ],
  };
}

/** `0 name{a="b"}`: of member 0; `other-0 …`: of another group's. */
function seriesName(short: string): string {
  const [, other, ordinal, metric, labels = ""] =
    /^(other-)?(\d) (\w+)(?:\{(.*)\})?$/.exec(short) ?? [];
  if (!metric) throw new Error(`${short}: write "<ordinal> <metric>{<labels>}"`);
  const pod = `${other ? "carts-leasehold" : GROUP}-${ordinal}`;
  return `${metric}{namespace="${NAMESPACE}",pod="${pod}"${labels && `,${labels}`}}`;
}
