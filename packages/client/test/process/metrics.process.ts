import { afterEach, expect, test } from "vitest";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { registerLeaseholdMetrics } from "../../src/opentelemetry.ts";
import { closeAll, openPair } from "./open-clients.ts";
import { switchOver, until } from "./real-redis.ts";

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
  await until(() => client.leader.status === "ready");
  end();
  await provider.forceFlush();
  const metrics = exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((s) => s.metrics));
  const values = new Map(
    metrics.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints[0]?.value]),
  );
  expect(values.get("leasehold.client.leader_changes")).toBe(2);
  expect(values.get("leasehold.client.resent")).toBe(1);
  expect(values.get("leasehold.client.write_gap")).toMatchObject({ count: 1 });
  await provider.shutdown();
});
