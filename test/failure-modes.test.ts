/** docs/failure-modes.md names tests: each of them is in the tree. */
import { expect, test } from "vitest";
import { cellsOf, testReferences } from "./rules/documents.ts";
import { listFiles, readText } from "./rules/repository.ts";

const PAGE = readText("docs/failure-modes.md");
const REFERENCES = cellsOf(PAGE, "test").map(testReferences);

const files = listFiles();
const textOf = (pattern: RegExp): string =>
  files
    .filter((path) => pattern.test(path))
    .map(readText)
    .join("\n");

/** Names that no text contains the way it is quoted there. */
function missing(names: readonly string[], text: string, quote: (name: string) => string[]) {
  return names.filter((name) => !quote(name).some((quoted) => text.includes(quoted)));
}

test("every sentence is the name of a test or scenario", () => {
  const tests = textOf(/\/test\/.*\.(test|process)\.ts$|\/contracts\/.*\.ts$/);
  const scenarios = `${textOf(/\/scenarios\/.*\.ya?ml$/)}\n`;
  const sentences = REFERENCES.flatMap((one) => one.sentences);
  expect(sentences.length).toBeGreaterThan(40);
  const notInTests = missing(sentences, tests, (name) => [`"${name}"`, `\`${name}\``]);
  expect(missing(notInTests, scenarios, (name) => [`- name: ${name}\n`])).toEqual([]);
});

test("every act is one of the demo's", () => {
  const acts = textOf(/^apps\/cli\/src\/demo\/acts\.ts$/);
  const named = REFERENCES.flatMap((one) => one.acts);
  expect(named.length).toBeGreaterThan(0);
  expect(missing(named, acts, (name) => [`name: "${name}"`])).toEqual([]);
});

test("every act on a cluster is one of the suite's", () => {
  const acts = textOf(/^e2e\/suite\/src\/acts\/[a-z-]+\.ts$/);
  const named = REFERENCES.flatMap((one) => one.clusterActs);
  expect(named.length).toBeGreaterThan(0);
  expect(missing(named, acts, (name) => [`name: "${name}"`])).toEqual([]);
});

test("every act of the demo is named by the page", () => {
  const acts = textOf(/^apps\/cli\/src\/demo\/acts\.ts$/);
  const names = [...acts.matchAll(/^ {4}name: "([^"]+)"/gm)].map(([, name = ""]) => name);
  expect(names.length).toBeGreaterThan(5);
  const named = new Set(REFERENCES.flatMap((one) => one.acts));
  expect(names.filter((name) => !named.has(name))).toEqual([]);
});

test("every fault is one that the simulation inflicts", () => {
  const profiles = textOf(/^packages\/testkit\/src\/simulation\/faults\/[a-z-]+\.ts$/);
  const named = REFERENCES.flatMap((one) => one.faults);
  expect(named.length).toBeGreaterThan(0);
  expect(missing(named, profiles, (name) => [`"${name}": `, ` ${name}: `])).toEqual([]);
});

test("a cell that names no test, or names one in another way, is refused", () => {
  expect(testReferences('"a b", demo `c`, e2e `e`, sim `d`')).toEqual({
    sentences: ["a b"],
    acts: ["c"],
    clusterActs: ["e"],
    faults: ["d"],
  });
  expect(testReferences("not yet tested").sentences).toEqual([]);
  for (const cell of ["", "–", "a test", "demo c"]) {
    expect(() => testReferences(cell)).toThrow("names a test in no known way");
  }
});

test("cells are read below their own heading, of any number of tables", () => {
  const page =
    "| a | test |\n| --- | --- |\n| 1 | x |\n\ntext\n\n| test |\n| --- |\n| y |\n| z |\n";
  expect(cellsOf(page, "test")).toEqual(["x", "y", "z"]);
});
