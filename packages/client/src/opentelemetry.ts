/**
 * Metrics of all clients in this process, from the channels that they publish on:
 * `registerLeaseholdMetrics(metrics.getMeter("app"))`. Only the API's types are needed.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Meter } from "@opentelemetry/api";

type Listener = (message: unknown, name: string | symbol) => void;

/** @returns what ends it */
export function registerLeaseholdMetrics(meter: Meter): () => void {
  const changes = meter.createCounter("leasehold.client.leader_changes", {
    description: "Changes of leader that this process has followed",
  });
  const gap = meter.createHistogram("leasehold.client.write_gap", {
    description: "From the loss of a leader until a connection leads to the next one",
    unit: "s",
  });
  const outcomes = meter.createCounter("leasehold.client.outcomes", {
    description: "Operations whose outcome is unknown",
  });
  const resent = meter.createCounter("leasehold.client.resent", {
    description: "Operations that were sent again, since they had not been applied or are reads",
  });
  const listeners: readonly (readonly [string, Listener])[] = [
    ["leasehold:leader-changed", (message) => changes.add(1, { via: fieldOf(message, "via") })],
    ["leasehold:outcome", (message) => outcomes.add(1, { outcome: fieldOf(message, "outcome") })],
    ["leasehold:resent", (message) => resent.add(numberOf(message, "count"))],
    [
      "leasehold:leader-change",
      (message) => {
        if (fieldOf(message, "phase") === "end") gap.record(numberOf(message, "gapMs") / 1_000);
      },
    ],
  ];
  for (const [name, listener] of listeners) subscribe(name, listener);
  return () => {
    for (const [name, listener] of listeners) unsubscribe(name, listener);
  };
}

function fieldOf(message: unknown, name: string): string {
  const value = (message as Readonly<Record<string, unknown>>)[name];
  return typeof value === "string" ? value : "";
}

function numberOf(message: unknown, name: string): number {
  const value = (message as Readonly<Record<string, unknown>>)[name];
  return typeof value === "number" ? value : 0;
}
