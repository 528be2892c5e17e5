/** What an agent can be asked, as JSON: over HTTP, or line by line. */
import type { Address, Load, WorkloadOptions, WorkloadState } from "@leasehold/testkit/workload";

export const AGENT_PORT = 8080;

/** JSON knows no maps. */
export type StartArguments = Omit<WorkloadOptions, "members" | "startWriter"> & {
  readonly members: Readonly<Record<string, Address>>;
  /** One for each group: what was written to another one is not looked for in this. */
  readonly ledger: string;
  /** Writers write by one @leasehold/client, made of this. Default: as plain ones do. */
  readonly clientUrl?: string;
};

type Arguments<K extends keyof Load> = K extends "start" ? [StartArguments] : Parameters<Load[K]>;

export type AgentCall = {
  readonly [K in keyof Load]: { readonly method: K; readonly args: Arguments<K> };
}[keyof Load];

/** What the state's instants count from, in milliseconds by the clock of the agent's node. */
export interface AgentState extends WorkloadState {
  readonly originMs: number;
}

export type AgentResult<K extends keyof Load> = K extends "state"
  ? AgentState
  : Awaited<ReturnType<Load[K]>>;

export type AgentAnswer = { readonly value: unknown } | { readonly error: string };
