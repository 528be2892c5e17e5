/**
 * Takes out of the CustomResourceDefinitions of others what the chart's objects need, as JSON
 * Schema that refuses unknown fields.
 *
 * Use: `node test/schemas/extract-crds.ts FILE…` with the files of the definitions, which lie in
 * the Go modules github.com/prometheus-operator/prometheus-operator@v0.85.0 (in its example of the
 * definitions) and github.com/cert-manager/cert-manager@v1.21.2 (`deploy/crds`).
 * Writes `custom-resources.json` beside this file.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { strict } from "./strict.ts";

interface Definition {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly schema: { readonly openAPIV3Schema: object };
    }[];
  };
}

const definitions: Record<string, unknown> = {};
const kinds: Record<string, string> = {};
for (const file of process.argv.slice(2)) {
  const { spec } = parse(readFileSync(file, "utf8")) as Definition;
  const { kind } = spec.names;
  for (const { name, served, schema } of spec.versions) {
    if (!served) continue;
    const key = `${kind}.${name}`;
    kinds[`${spec.group}/${name} ${kind}`] = key;
    definitions[key] = withMetadata(schema.openAPIV3Schema);
  }
}
const output = join(import.meta.dirname, "custom-resources.json");
writeFileSync(output, `${JSON.stringify({ kinds, definitions }, withoutGoPattern)}\n`);

/** Go's patterns may ignore case, which is no pattern elsewhere. */
function withoutGoPattern(key: string, value: unknown): unknown {
  return key === "pattern" && typeof value === "string" && value.includes("(?i)")
    ? undefined
    : value;
}

/** A definition leaves it open, because every object has it. */
function withMetadata(schema: object): unknown {
  const closed = strict(schema) as { readonly properties: object };
  return { ...closed, properties: { ...closed.properties, metadata: { type: "object" } } };
}
