/** Counts who did what: how many calls a sidecar makes, and which rights it uses. */
import type { Verb } from "./authorization.ts";
import type { ParsedRequest } from "./request.ts";

/** How often somebody did something; names of Events are left out. */
export interface Usage {
  readonly identity: string;
  readonly verb: Verb;
  readonly group: string;
  readonly resource: string;
  readonly name: string | null;
  readonly count: number;
}

const MAX_ROWS = 10_000;

export function countUsage(
  usage: Map<string, Usage>,
  identity: string,
  { access }: ParsedRequest,
): void {
  const { verb, resource, subresource } = access;
  const name = resource.plural === "events" ? null : access.name;
  const key = `${identity} ${verb} ${resource.group}/${resource.plural}/${subresource ?? ""} ${name ?? ""}`;
  const row = usage.get(key);
  if (!row && usage.size >= MAX_ROWS) return;
  const { group } = resource;
  const plural = subresource === undefined ? resource.plural : `${resource.plural}/${subresource}`;
  usage.set(key, { identity, verb, group, resource: plural, name, count: (row?.count ?? 0) + 1 });
}
