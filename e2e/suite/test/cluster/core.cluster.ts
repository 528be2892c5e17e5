/**
 * The acts that every check plays: what the chart installs keeps its promises on real nodes.
 *
 * Nothing may be lost, refused or writable twice. Gaps are asserted generously, since whatever else
 * this machine does lengthens them; `npm run e2e` holds them against the bounds.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Cluster, clusterSupport } from "@leasehold/cluster";
import { renderTable, type Bound, type Result } from "@leasehold/testkit/result";
import { boundOf } from "../../src/acts/act.ts";
import { ACTS } from "../../src/acts/index.ts";
import { claimNamespaces } from "../../src/own-namespaces.ts";
import { openPlay, type Play } from "../../src/play.ts";

/** Cold, all binaries are built. */
const UP_MS = 40 * 60_000;
const ACT_MS = 400_000;
const GENEROSITY = 5;

const support = await clusterSupport();
const results: Result[] = [];
let cluster: Cluster | null = null;
let play: Play;
let release = async (): Promise<void> => {};

beforeAll(async () => {
  if (!support.ok) return;
  const say = (line: string): void => console.log(line);
  cluster = await Cluster.up({ progress: say });
  release = await claimNamespaces(cluster);
  play = await openPlay(cluster, { say });
}, UP_MS);

beforeEach((context) => {
  if (!support.ok) context.skip(support.why);
});

function generous({ medianMs, p99Ms }: Bound): Bound {
  return { medianMs: medianMs * GENEROSITY, p99Ms: p99Ms * GENEROSITY };
}

afterAll(async () => {
  if (results.length > 0) console.log(renderTable(results));
  await release();
});

test("the chart's own tests pass: writes, reads", { timeout: ACT_MS }, async () => {
  expect(await play.stage.group.helmTest()).toContain("Phase:          Succeeded");
});

for (const act of ACTS.filter(({ isCore }) => isCore)) {
  test(`keeps its promises when ${act.title}`, { timeout: ACT_MS }, async (context) => {
    if (act.needsFaults && cluster?.canInjectFaults !== true) {
      context.skip("E2E_KUBECONFIG names a cluster without faults");
    }
    const { result, notes } = await play.act({ ...act, bound: generous(boundOf(act, false)) });
    results.push(result);
    expect({ ...result, notes }).toMatchObject({ held: true, lost: 0 });
  });
}
