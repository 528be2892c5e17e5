/**
 * JSON of `leasehold.dev/v1` as programs know it: whatever it once had, it still has. A new field
 * is recorded by adding its path to `leasehold.dev-v1.json`; a recorded one never goes.
 */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startBench, type Bench } from "./bench.ts";

/** By kind: path of a field, `[]` for each item of a list, and the types that it may have. */
type Recorded = Readonly<Record<string, Readonly<Record<string, string>>>>;

const RECORDED = JSON.parse(
  readFileSync(new URL("leasehold.dev-v1.json", import.meta.url), "utf8"),
) as Recorded;

/** The commands and the kinds that they print. */
const CALLS: readonly (readonly [kind: string, args: readonly string[]])[] = [
  ["GroupStatus", ["status"]],
  ["LeaderChange", ["switchover", "--to", "orders-1"]],
  ["Pause", ["pause", "--timeout", "100ms"]],
  ["History", ["history"]],
  ["Uri", ["uri"]],
  ["Version", ["version"]],
];

let bench: Bench;
beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.close());

test.each(CALLS)("%s has all that it ever had", async (kind, args) => {
  bench.answersRequests(true);
  const { stdout } = await bench.run([...args, "-o", "json"]);
  const printed = JSON.parse(stdout) as Record<string, unknown>;
  expect(printed).toMatchObject({ apiVersion: "leasehold.dev/v1", kind });
  expect(breaches(RECORDED[kind] ?? {}, printed)).toEqual([]);
  expect(Object.keys(RECORDED[kind] ?? {}).length).toBeGreaterThan(3);
});

test("every kind is recorded, and nothing else", () => {
  expect(Object.keys(RECORDED).toSorted()).toEqual(CALLS.map(([kind]) => kind).toSorted());
});

test.each([
  ["a field that is gone", { b: [] }, ["a is gone"]],
  ["a field of another type", { a: "1", b: [] }, ["a is string, not number or null"]],
  ["an item without its field", { a: null, b: [{}] }, ["b[].c is gone"]],
  ["more than was recorded", { a: 1, b: [{ c: true, d: 1 }], e: 1 }, []],
])("%s is seen", (_what, printed, found) => {
  expect(breaches({ a: "number|null", b: "list", "b[].c": "boolean" }, printed)).toEqual(found);
});

function breaches(recorded: Readonly<Record<string, string>>, printed: unknown): string[] {
  return Object.entries(recorded).flatMap(([path, types]) =>
    valuesAt([printed], path.split(".")).flatMap((value) => {
      const type = typeOf(value);
      if (type === "nothing") return [`${path} is gone`];
      const allowed = types.split("|");
      return allowed.includes(type) ? [] : [`${path} is ${type}, not ${allowed.join(" or ")}`];
    }),
  );
}

/** An object that is null has no fields, and a list without items no fields of items. */
function valuesAt(values: readonly unknown[], path: readonly string[]): readonly unknown[] {
  const [step, ...rest] = path;
  if (step === undefined) return values;
  const name = step.replace("[]", "");
  const parents = values.filter((value) => value !== null && value !== undefined);
  const inner = parents.map((value) => (value as Record<string, unknown>)[name]);
  return valuesAt(step.endsWith("[]") ? inner.flat() : inner, rest);
}

function typeOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  return Array.isArray(value) ? "list" : typeof value;
}
