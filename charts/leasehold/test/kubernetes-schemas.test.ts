/** Rendered objects against the schemas of Kubernetes and of operators, unknown fields refused. */
import { readdirSync, readFileSync } from "node:fs";
import { Ajv, type ValidateFunction } from "ajv";
import { describe, expect, test } from "vitest";
import { CHART, find, render, type Rendered } from "./render.ts";

const CI = readdirSync(`${CHART}/ci`).map((file) => file.replace("-values.yaml", ""));
const VERSIONS = ["1.29", "1.36"];
/** Theirs are in the definitions that the operators bring. */
const OPERATORS = "custom-resources";
const FOREIGN = /^(cert-manager\.io|monitoring\.coreos\.com)\//;

interface Extract {
  readonly kinds: Readonly<Record<string, string>>;
  readonly definitions: Readonly<Record<string, unknown>>;
}

const VALIDATORS = new Map([
  ...VERSIONS.map((version) => [version, createValidators(`kubernetes-${version}`)] as const),
  [OPERATORS, createValidators(OPERATORS)] as const,
]);

function createValidators(name: string): ReadonlyMap<string, ValidateFunction> {
  const file = new URL(`schemas/${name}.json`, import.meta.url);
  const { kinds, definitions } = JSON.parse(readFileSync(file, "utf8")) as Extract;
  const ajv = new Ajv({ strict: false, allErrors: true });
  ajv.addSchema({ $id: "kubernetes", definitions });
  const entries = Object.entries(kinds).map(([kind, key]): [string, ValidateFunction] => [
    kind,
    ajv.compile({ $ref: `kubernetes#/definitions/${key}` }),
  ]);
  return new Map(entries);
}

/** Sentences; empty if Kubernetes of that version takes the object as it is. */
function problemsOf(version: string, object: Rendered): readonly string[] {
  const kind = `${object.apiVersion} ${object.kind}`;
  const validate = VALIDATORS.get(version)?.get(kind);
  if (!validate) return [`${kind} is no kind that ${version} is known to have`];
  validate(object);
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) =>
      `${kind} ${object.metadata.name}${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

describe.each(CI)("with the values %s", (ci) => {
  test.for(VERSIONS)("Kubernetes %s takes every object", async (version) => {
    const objects = (await render({ ci })).filter(({ apiVersion }) => !FOREIGN.test(apiVersion));
    expect(objects.flatMap((object) => problemsOf(version, object))).toEqual([]);
  });

  test("the operators take every object of theirs", async () => {
    const objects = (await render({ ci })).filter(({ apiVersion }) => FOREIGN.test(apiVersion));
    expect(objects.flatMap((object) => problemsOf(OPERATORS, object))).toEqual([]);
    const isTried = ci === "metrics" || ci === "cert-manager";
    expect(objects.length).toBe(isTried ? { metrics: 3, "cert-manager": 1 }[ci] : 0);
  });
});

test("a field that does not exist, or is of another type, is found", async () => {
  const broken = structuredClone(find(await render(), "StatefulSet"));
  broken.spec.template.spec.initContainers[0].startupProbe.httpGet.pathh = "/";
  broken.spec.replicas = "3";
  for (const version of VERSIONS) {
    const found = problemsOf(version, broken).join("\n");
    expect(found).toContain('"additionalProperty":"pathh"');
    expect(found).toContain("/spec/replicas must be integer");
  }
  expect(problemsOf("1.29", { apiVersion: "v1", kind: "Pods" })).toHaveLength(1);
  const rule = structuredClone(find(await render({ ci: "metrics" }), "PrometheusRule"));
  rule.spec.groups[0].rules[0].sevrity = "critical";
  expect(problemsOf(OPERATORS, rule).join()).toContain('"additionalProperty":"sevrity"');
});
