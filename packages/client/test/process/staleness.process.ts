/** Row 24: what is said of a replica's age, against a replica that is behind by a known time. */
import { afterEach, expect, test } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { staticTopology } from "../../src/index.ts";
import { startProxy, type LossyProxy } from "./lossy-proxy.ts";
import { closeAll, open } from "./open-clients.ts";
import { startRedis, until } from "./real-redis.ts";

const SAMPLE_MS = 200;
const WRITE_MS = 10;
/** Timers and the two looks at the truth, on a busy machine. */
const SLACK_MS = 150;

const proxies: LossyProxy[] = [];
afterEach(async () => {
  await closeAll();
  for (const proxy of proxies.splice(0)) await proxy.close();
});

test("row 24: the staleness is never below the truth, and at most two samples above it", async () => {
  const [a, b] = await Promise.all([startRedis(), startRedis()]);
  const proxy = await startProxy(a);
  proxies.push(proxy);
  await b.follow({ ...a, host: proxy.host, port: proxy.port });
  const nodes = [a, b].map(({ host, port }) => ({ host, port }));
  const client = open({ topology: staticTopology({ nodes, probeIntervalMs: SAMPLE_MS }) });
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
  for (const { delayMs, below, above } of seen) {
    console.log(
      `row 24: delayed by ${delayMs} ms: at most ${above.toFixed(0)} ms above the truth (${2 * SAMPLE_MS} allowed), ${(-below).toFixed(0)} ms at least`,
    );
    // The write that it lacks may have been on its way for as long as a write takes.
    expect(below).toBeLessThanOrEqual(WRITE_MS);
    expect(above).toBeLessThanOrEqual(2 * SAMPLE_MS + SLACK_MS);
  }
});
