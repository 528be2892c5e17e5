import { subscribe } from "node:diagnostics_channel";
import { afterEach, expect, test } from "vitest";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { registerLeaseholdMetrics } from "../../src/opentelemetry.ts";
import { staticTopology } from "../../src/index.ts";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { pushedTopology } from "./pushed-topology.ts";
import { startPair, switchOver, until } from "./real-redis.ts";

afterEach(closeAll);

test("a change of leader is counted and measured by OpenTelemetry, until that is ended", async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const end = registerLeaseholdMetrics(provider.getMeter("test"));
  const { a, b, topology, client } = await openPair();
  await switchOver(a, b);
  const write = client.leader.incr("n");
  topology.push(2, b);
  await write;
  await outcome(client.withOptions({ timeoutMs: 1 }).blpop("none", 1));
  end();
  await provider.forceFlush();
  const metrics = exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((s) => s.metrics));
  const values = new Map(
    metrics.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints[0]?.value]),
  );
  expect(values.get("leasehold.client.queue.wait")).toMatchObject({ count: 2 });
  expect(values.get("leasehold.client.leader_changes")).toBe(2);
  expect(values.get("leasehold.client.resent")).toBe(1);
  expect(values.get("leasehold.client.write_gap")).toMatchObject({ count: 1 });
  expect(values.get("leasehold.client.outcomes")).toBe(1);
  await provider.shutdown();
});

test("gauges tell what waits, how stale replicas are and how old the topology is, in closed words", async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 });
  const provider = new MeterProvider({ readers: [reader] });
  const end = registerLeaseholdMetrics(provider.getMeter("test"));
  const [a, b] = await startPair();
  const nodes = [a, b].map(({ host, port }) => ({ host, port }));
  const client = open({ topology: staticTopology({ nodes, probeIntervalMs: 200 }) });
  const lost = open({ topology: pushedTopology({}).provider, waitForLeaderMs: 60_000 });
  const waiting = [1, 2].map((n) => outcome(lost.leader.set("k", n)));
  await client.leader.ping();
  await until(() => client.topology.nodes.some(({ stalenessMs }) => (stalenessMs ?? 0) > 0));
  const gauge = async (name: string): Promise<readonly [object, unknown][]> => {
    exporter.reset();
    await provider.forceFlush();
    const found = exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
      .find(({ descriptor }) => descriptor.name === `leasehold.client.${name}`);
    return (found?.dataPoints ?? []).map(({ attributes, value }) => [attributes, value]);
  };
  expect(await gauge("queue.length")).toEqual([
    [{ connection: "leader" }, 2],
    [{ connection: "reader" }, 0],
  ]);
  const [stale] = await gauge("read.staleness");
  expect(stale?.[0]).toEqual({ "server.address": `${b.host}:${b.port}` });
  expect(Number(stale?.[1])).toBeLessThan(2);
  const ages = await gauge("topology.age");
  expect(ages.map(([attributes]) => attributes)).toEqual([{ provider: "static" }]);
  expect(Number(ages[0]?.[1])).toBeLessThan(2);
  await lost.close({ drainMs: 0 });
  await Promise.all(waiting);
  expect((await gauge("queue.length"))[0]).toEqual([{ connection: "leader" }, 0]);
  end();
  let asked = 0;
  subscribe("leasehold:observe", () => (asked += 1));
  await gauge("queue.length");
  expect(asked).toBe(0);
  await provider.shutdown();
});
