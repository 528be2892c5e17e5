/**
 * Metrics of all clients in this process, from the channels that they publish on:
 * `registerLeaseholdMetrics(metrics.getMeter("app"))`. Only the API's types are needed.
 *
 * Guarantees: attributes are closed sets (`via`, `outcome`, `connection`, `provider`), but for
 * `server.address` of a gauge, which are as many as the group has nodes; gauges are read when the
 * meter asks, and cost nothing in between.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { BatchObservableResult, Meter } from "@opentelemetry/api";
import { askReadings, type ClientReading } from "./readings.ts";

type Listener = (message: unknown, name: string | symbol) => void;

/** @returns what ends it */
export function registerLeaseholdMetrics(meter: Meter): () => void {
  const endCounting = count(meter);
  const endObserving = observe(meter);
  return () => {
    endCounting();
    endObserving();
  };
}

function count(meter: Meter): () => void {
  const changes = meter.createCounter("leasehold.client.leader_changes", {
    description: "Changes of leader that this process has followed",
  });
  const gap = meter.createHistogram("leasehold.client.write_gap", {
    description: "From the loss of a leader to the first reply of the next one",
    unit: "s",
  });
  const outcomes = meter.createCounter("leasehold.client.outcomes", {
    description: "Commands that a connection of the client has rejected, by what their error says",
  });
  const resent = meter.createCounter("leasehold.client.resent", {
    description: "Operations that were sent again, since they had not been applied or are reads",
  });
  const wait = meter.createHistogram("leasehold.client.queue.wait", {
    description:
      "How long operations that had to wait for a leader have waited until they were sent",
    unit: "s",
  });
  const roleChecks = meter.createCounter("leasehold.client.role_check.failures", {
    description: "Connections given up since the node behind them was not what it should be",
  });
  const listeners: readonly (readonly [string, Listener])[] = [
    ["leasehold:leader-changed", (message) => changes.add(1, { via: fieldOf(message, "via") })],
    ["leasehold:outcome", (message) => outcomes.add(1, { outcome: fieldOf(message, "outcome") })],
    ["leasehold:resent", (message) => resent.add(numberOf(message, "count"))],
    ["leasehold:queue-wait", (message) => wait.record(numberOf(message, "waitedMs") / 1_000)],
    ["leasehold:role-check", () => roleChecks.add(1)],
    [
      "tracing:leasehold:leader-change:end",
      (message) => gap.record(numberOf(message, "gapMs") / 1_000),
    ],
  ];
  for (const [name, listener] of listeners) subscribe(name, listener);
  return () => {
    for (const [name, listener] of listeners) unsubscribe(name, listener);
  };
}

/** Of several clients in one process: the sum of what waits, and the worst of the ages. */
function observe(meter: Meter): () => void {
  const queue = meter.createObservableGauge("leasehold.client.queue.length", {
    description: "Commands that wait for a leader, or for a node that fits",
  });
  const staleness = meter.createObservableGauge("leasehold.client.read.staleness", {
    description: "An upper bound of how far a replica is behind, where it is known",
    unit: "s",
  });
  const age = meter.createObservableGauge("leasehold.client.topology.age", {
    description: "How long ago a source of topology spoke",
    unit: "s",
  });
  const look = (result: BatchObservableResult): void => {
    const readings = askReadings();
    for (const connection of ["leader", "reader"] as const) {
      const total = readings.reduce((sum, { queued }) => sum + queued[connection], 0);
      result.observe(queue, total, { connection });
    }
    for (const [address, ms] of worst(readings, staleOf)) {
      result.observe(staleness, ms / 1_000, { "server.address": address });
    }
    for (const [provider, ms] of worst(readings, agesOf)) {
      result.observe(age, ms / 1_000, { provider });
    }
  };
  const gauges = [queue, staleness, age];
  meter.addBatchObservableCallback(look, gauges);
  return () => meter.removeBatchObservableCallback(look, gauges);
}

type Aged = readonly [name: string, ms: number];

function staleOf({ replicas }: ClientReading): readonly Aged[] {
  return replicas.flatMap(({ host, port, stalenessMs }) =>
    stalenessMs === null ? [] : [[`${host}:${port}`, stalenessMs] as const],
  );
}

function agesOf({ sources }: ClientReading): readonly Aged[] {
  return sources.map(({ provider, ageMs }) => [provider, ageMs]);
}

function worst(
  readings: readonly ClientReading[],
  of: (reading: ClientReading) => readonly Aged[],
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [name, ms] of readings.flatMap(of)) {
    found.set(name, Math.max(ms, found.get(name) ?? 0));
  }
  return found;
}

function fieldOf(message: unknown, name: string): string {
  const value = (message as Readonly<Record<string, unknown>>)[name];
  return typeof value === "string" ? value : "";
}

function numberOf(message: unknown, name: string): number {
  const value = (message as Readonly<Record<string, unknown>>)[name];
  return typeof value === "number" ? value : 0;
}
