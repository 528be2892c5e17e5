/**
 * Takes out of Kubernetes' own OpenAPI what the chart's objects need, as JSON Schema that refuses
 * unknown fields.
 *
 * Use: `node test/schemas/extract.ts FOLDER VERSION`, where FOLDER is `api/openapi-spec/v3` of
 * the Go module k8s.io/kubernetes (`go mod download -json k8s.io/kubernetes@v1.36.3` says where it
 * lies). Writes `kubernetes-VERSION.json` beside this file. Descriptions, defaults and formats are
 * left out.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { strict } from "./strict.ts";

/** By the file of its group and version. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  api__v1: ["ConfigMap", "Pod", "Secret", "Service", "ServiceAccount"],
  apis__apps__v1: ["StatefulSet"],
  "apis__flowcontrol.apiserver.k8s.io__v1": ["FlowSchema"],
  "apis__networking.k8s.io__v1": ["NetworkPolicy"],
  apis__policy__v1: ["PodDisruptionBudget"],
  "apis__rbac.authorization.k8s.io__v1": ["Role", "RoleBinding"],
};

const GROUPS = "x-kubernetes-group-version-kind";

type Json = Readonly<Record<string, unknown>>;

interface OpenApi {
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
}

const [, , folder = "", version = ""] = process.argv;
const definitions: Record<string, unknown> = {};
const kinds: Record<string, string> = {};
for (const [file, names] of Object.entries(KINDS)) {
  const text = readFileSync(join(folder, `${file}_openapi.json`), "utf8");
  const { schemas } = (JSON.parse(text) as OpenApi).components;
  for (const name of names) {
    const [key, schema] =
      Object.entries(schemas).find(([one, each]) => one.endsWith(`.${name}`) && GROUPS in each) ??
      [];
    if (!key || !schema) throw new Error(`${file} has no kind ${name}`);
    const [group] = schema[GROUPS] as readonly Json[];
    const apiVersion = [group?.["group"], group?.["version"]].filter(Boolean).join("/");
    kinds[`${apiVersion} ${name}`] = key;
    collect(key, schemas);
  }
}
const output = join(import.meta.dirname, `kubernetes-${version}.json`);
writeFileSync(output, `${JSON.stringify({ kinds, definitions })}\n`);

function collect(key: string, schemas: OpenApi["components"]["schemas"]): void {
  if (key in definitions) return;
  const schema = schemas[key] ?? {};
  definitions[key] = {};
  definitions[key] = strict(schema);
  const references = JSON.stringify(schema).matchAll(/"#\/components\/schemas\/([^"]+)"/g);
  for (const [, reference = ""] of references) collect(reference, schemas);
}
