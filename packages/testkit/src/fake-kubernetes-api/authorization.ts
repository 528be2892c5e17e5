/**
 * Who asks, and whether a Role lets them: RBAC of one namespaced Role per identity, with
 * resourceNames as in the real server (for list and watch the name comes from a field selector;
 * a create has no name, so a rule with resourceNames never allows it).
 */
import { qualified } from "./resource.ts";
import type { Resource } from "./resource.ts";

export interface PolicyRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** A Role as rendered by a chart, or only its rules. */
export interface Role {
  readonly metadata?: { readonly namespace?: string };
  readonly rules: readonly PolicyRule[];
}

/** Someone with a token. Without a role they may do everything. */
export interface Identity {
  readonly name: string;
  readonly role?: Role;
}

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete";

export interface Access {
  readonly verb: Verb;
  readonly resource: Resource;
  readonly namespace: string;
  /** Null if the request names no single object. */
  readonly name: string | null;
  /** Such as `proxy`; a rule names it as `pods/proxy`. */
  readonly subresource?: string;
}

export function allows(role: Role, access: Access): boolean {
  const namespace = role.metadata?.namespace;
  if (namespace !== undefined && namespace !== access.namespace) return false;
  return role.rules.some((rule) => ruleAllows(rule, access));
}

export function forbiddenMessage(user: string, access: Access): string {
  const { resource, verb, namespace, name } = access;
  const plural = pluralOf(access);
  return (
    `${qualified(resource)}${name === null ? "" : ` "${name}"`} is forbidden: User "${user}" cannot ` +
    `${verb} resource "${plural}" in API group "${resource.group}" in the namespace "${namespace}"`
  );
}

function ruleAllows(rule: PolicyRule, access: Access): boolean {
  const { resource, verb, name } = access;
  // A request without a name, such as a create, is never allowed by a list of names.
  const named = !rule.resourceNames?.length || rule.resourceNames.includes(name ?? "");
  return (
    named &&
    includes(rule.verbs, verb) &&
    includes(rule.apiGroups, resource.group) &&
    includes(rule.resources, pluralOf(access))
  );
}

function pluralOf({ resource, subresource }: Access): string {
  return subresource === undefined ? resource.plural : `${resource.plural}/${subresource}`;
}

function includes(list: readonly string[] | undefined, value: string): boolean {
  return list !== undefined && (list.includes(value) || list.includes("*"));
}
