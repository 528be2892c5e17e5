/** What an agent can be asked, as JSON over HTTP. */
import type { Address, Load, WorkloadOptions } from "@leasehold/testkit/workload";

export const AGENT_PORT = 8080;

/** JSON knows no maps. */
export type StartArguments = Omit<WorkloadOptions, "members"> & {
  readonly members: Readonly<Record<string, Address>>;
};

type Arguments<K extends keyof Load> = K extends "start" ? [StartArguments] : Parameters<Load[K]>;

export type AgentCall = {
  readonly [K in keyof Load]: { readonly method: K; readonly args: Arguments<K> };
}[keyof Load];

export type AgentResult<K extends keyof Load> = Awaited<ReturnType<Load[K]>>;

export type AgentAnswer = { readonly value: unknown } | { readonly error: string };
