/**
 * `fieldSelector` and `labelSelector` as far as clients of ours use them: `=`, `==`, `!=`, and
 * for labels also `in`, `notin`, `key`, `!key`. Anything else is a 400, never a match.
 */
import { badRequest } from "./api-error.ts";
import type { KubernetesObject } from "./object.ts";

export type Selector = (object: KubernetesObject) => boolean;

const FIELDS: Readonly<Record<string, (object: KubernetesObject) => string | undefined>> = {
  "metadata.name": (object) => object.metadata.name,
  "metadata.namespace": (object) => object.metadata.namespace,
};

export function selectorOf(fields: string | null, labels: string | null): Selector {
  const terms = [
    ...splitTerms(fields ?? "").map(fieldTerm),
    ...splitTerms(labels ?? "").map(labelTerm),
  ];
  return (object) => terms.every((matches) => matches(object));
}

/** The one name that a field selector asks for; what RBAC's resourceNames is compared with. */
export function selectedName(fields: string | null): string | null {
  return /(?:^|,)metadata\.name==?([^,!=]+)(?:,|$)/.exec(fields ?? "")?.[1] ?? null;
}

function fieldTerm(term: string): Selector {
  const [, field = "", operator, value] = /^([\w.]+)(==|=|!=)(.*)$/.exec(term) ?? [];
  const read = FIELDS[field];
  if (!read) throw badRequest(`field label not supported: ${field || term}`);
  return (object) => (read(object) === value) === (operator !== "!=");
}

function labelTerm(term: string): Selector {
  const equality = /^([^\s!=,]+)\s*(==|=|!=)\s*([^\s!=]*)$/.exec(term);
  if (equality) {
    const [, key = "", operator, value] = equality;
    return (object) => (labelOf(object, key) === value) === (operator !== "!=");
  }
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(term);
  if (set) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    return (object) => values.includes(labelOf(object, key) ?? "\0") === (operator === "in");
  }
  const [, not, key] = /^(!?)([^\s!=(),]+)$/.exec(term) ?? [];
  if (!key) throw badRequest(`unable to parse requirement: ${term}`);
  return (object) => (labelOf(object, key) !== undefined) === (not === "");
}

function labelOf(object: KubernetesObject, key: string): string | undefined {
  const { labels = {} } = object.metadata;
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** Splits at commas outside parentheses. */
function splitTerms(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== "");
}
