/**
 * What the clients of this process say of themselves when somebody asks, on the channel
 * `leasehold:observe`: nothing is measured, and nothing is kept, while nobody does.
 */
import { channel } from "node:diagnostics_channel";
import type { NodeDescription } from "./types.ts";

/** At one moment. */
export interface ClientReading {
  /** Commands that wait, by what their connections follow. */
  readonly queued: Readonly<Record<"leader" | "reader", number>>;
  readonly replicas: readonly Pick<NodeDescription, "host" | "port" | "stalenessMs">[];
  /** How long ago each source of topology spoke. */
  readonly sources: readonly { readonly provider: ProviderName; readonly ageMs: number }[];
}

export type ProviderName = (typeof PROVIDERS)[number] | "custom";

const PROVIDERS = ["service", "static", "status", "kubernetes"] as const;

interface Question {
  take(reading: ClientReading): void;
}

const OBSERVE = channel("leasehold:observe");

/** Answers until what it returns is called. */
export function answerReadings(read: () => ClientReading): () => void {
  const listener = (message: unknown): void => (message as Question).take(read());
  OBSERVE.subscribe(listener);
  return () => {
    OBSERVE.unsubscribe(listener);
  };
}

/** Of every client that is open now. */
export function askReadings(): readonly ClientReading[] {
  const readings: ClientReading[] = [];
  const question: Question = { take: (reading) => void readings.push(reading) };
  OBSERVE.publish(question);
  return readings;
}

/** The same words for everybody: a caller's own source has none of them. */
export function providerNameOf(source: string): ProviderName {
  return PROVIDERS.find((name) => name === source) ?? "custom";
}
