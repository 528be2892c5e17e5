/** What the Deployment speaks of is what the chart renders for a release called `orders`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly ports?: readonly { readonly port: number }[];
    readonly template?: { readonly spec: { readonly containers: readonly Container[] } };
  };
}

interface Container {
  readonly env: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
  }[];
}

const REPOSITORY = join(import.meta.dirname, "../../..");
const read = (path: string): readonly Manifest[] =>
  parseAllDocuments(readFileSync(join(REPOSITORY, path), "utf8")).map(
    (document) => document.toJS() as Manifest,
  );
const chart = read("charts/leasehold/test/rendered/default.yaml");
const example = read("examples/kubernetes/orders-app.yaml");
const [container] = example.flatMap(({ spec }) => spec.template?.spec.containers ?? []);
const variable = (name: string) => container?.env.find((one) => one.name === name);

const portsOf = (service: string): readonly number[] =>
  chart
    .filter(({ kind, metadata }) => kind === "Service" && metadata.name === service)
    .flatMap(({ spec }) => spec.ports?.map(({ port }) => port) ?? []);

test("the connection string names Services of the chart, with their ports", () => {
  const url = new URL(variable("LEASEHOLD_URL")?.value ?? "");
  expect(portsOf(url.hostname)).toContain(Number(url.port));
  const status = new URL(url.searchParams.get("status") ?? "");
  expect(portsOf(status.hostname)).toContain(Number(status.port));
});

test("the password comes from the chart's Secret, by a variable that is set before it is used", () => {
  const names = container?.env.map(({ name }) => name) ?? [];
  expect(variable("LEASEHOLD_URL")?.value).toContain("$(REDIS_PASSWORD)");
  expect(names.indexOf("REDIS_PASSWORD")).toBeLessThan(names.indexOf("LEASEHOLD_URL"));
  const values = parse(readFileSync(join(REPOSITORY, "charts/leasehold/values.yaml"), "utf8")) as {
    readonly auth: { readonly existingSecretPasswordKey: string };
  };
  const { hostname } = new URL(variable("LEASEHOLD_URL")?.value ?? "");
  // The Secret bears the group's name, as the write Service does.
  const expected = { name: hostname, key: values.auth.existingSecretPasswordKey };
  expect(variable("REDIS_PASSWORD")?.valueFrom?.secretKeyRef).toEqual(expected);
});
