/** Row 24: what is said of a replica's age, against a replica that is behind by a known time. */
import { afterEach, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { staticTopology, type TopologyProvider, type TopologySink } from "../../src/index.ts";
import { startProxy, type LossyProxy } from "./lossy-proxy.ts";
import { closeAll, open } from "./open-clients.ts";
import { startRedis, until } from "./real-redis.ts";

const SAMPLE_MS = 200;
const WRITE_MS = 10;
/** The test's own look at the truth. */
const SLACK_MS = 100;

const proxies: LossyProxy[] = [];
afterEach(async () => {
  await closeAll();
  for (const proxy of proxies.splice(0)) await proxy.close();
});

/** How far apart the looks at one node have been: on a busy machine further than was asked for. */
function observed(
  inner: TopologyProvider,
  port: number,
): { readonly provider: TopologyProvider; longestMs(): number } {
  let last: { readonly node: object; readonly atMs: number } | null = null;
  let longestMs = SAMPLE_MS;
  const provider: TopologyProvider = {
    ...inner,
    start: (sink, signal, tools) => {
      const observe: TopologySink["observe"] = (observation) => {
        const node = observation.nodes.find((one) => one.port === port);
        if (node && node !== last?.node) {
          const atMs = performance.now();
          if (last) longestMs = Math.max(longestMs, atMs - last.atMs);
          last = { node, atMs };
        }
        sink.observe(observation);
      };
      inner.start({ ...sink, observe }, signal, tools);
    },
  };
  return { provider, longestMs: () => longestMs };
}

test("row 24: the staleness is never below the truth, and at most two samples above it", async () => {
  const [a, b] = await Promise.all([startRedis(), startRedis()]);
  const proxy = await startProxy(a);
  proxies.push(proxy);
  await b.follow({ ...a, host: proxy.host, port: proxy.port });
  const nodes = [a, b].map(({ host, port }) => ({ host, port }));
  const looks = observed(staticTopology({ nodes, probeIntervalMs: SAMPLE_MS }), b.port);
  const client = open({ topology: looks.provider });
  const atMs: number[] = [];
  const stop = new AbortController();
  const writing = (async () => {
    while (!stop.signal.aborted) {
      atMs.push(performance.now());
      await a.admin.set("written", atMs.length);
      await sleep(WRITE_MS);
    }
  })();
  const stalenessMs = (): number | null =>
    client.topology.nodes.find(({ port }) => port === b.port)?.stalenessMs ?? null;
  await until(() => stalenessMs() !== null);
  const seen: { readonly delayMs: number; readonly below: number; readonly above: number }[] = [];
  for (const delayMs of [0, 500, 1_500]) {
    proxy.delay(delayMs);
    await sleep(delayMs + 3 * SAMPLE_MS);
    let [below, above] = [-Infinity, -Infinity];
    for (let n = 0; n < 20; n += 1) {
      const held = Number(await b.admin.get("written"));
      const estimateMs = stalenessMs();
      // Of the first write that it did not have, when it was asked.
      const truthMs = Math.max(0, performance.now() - (atMs[held] ?? performance.now()));
      if (estimateMs === null) throw new Error("the staleness is not known any more");
      below = Math.max(below, truthMs - estimateMs);
      above = Math.max(above, estimateMs - truthMs);
      await sleep(37);
    }
    seen.push({ delayMs, below, above });
  }
  stop.abort();
  await writing;
  const sampleMs = looks.longestMs();
  for (const { delayMs, below, above } of seen) {
    console.log(
      `row 24: delayed by ${delayMs} ms: at most ${above.toFixed(0)} ms above the truth (two looks: ${(2 * sampleMs).toFixed(0)} ms), ${(-below).toFixed(0)} ms at least`,
    );
    // The write that it lacks may have been on its way for as long as a write takes.
    expect(below).toBeLessThanOrEqual(WRITE_MS);
    expect(above).toBeLessThanOrEqual(2 * sampleMs + SLACK_MS);
  }
});
