import { describe, expect, test } from "vitest";
import { readSources, readText } from "./rules/repository.ts";
import { parseSource } from "./rules/source-file.ts";
import { LIMITS, styleViolations } from "./rules/style-rules.ts";
import type { StyleException, StyleRule } from "./rules/style-rules.ts";

const EXCEPTIONS = JSON.parse(readText("test/style-exceptions.json")) as StyleException[];

test("every source file keeps to the measurable part of STYLE.md", () => {
  const files = readSources();
  expect(files.length).toBeGreaterThan(50);
  const found = styleViolations(files, EXCEPTIONS);
  expect(found.map(({ path, rule, message }) => `${path}: ${rule}: ${message}`)).toEqual([]);
});

test("every exception gives a reason", () => {
  for (const { reason } of EXCEPTIONS) expect(reason.length).toBeGreaterThan(20);
});

const OPENING = "/** Says what it does. */\n";

function rulesBroken(text: string, path = "packages/redis/src/a.ts"): StyleRule[] {
  return styleViolations([parseSource(path, text)], []).map(({ rule }) => rule);
}

function functionOf(lines: number): string {
  return `function f() {\n${"  f();\n".repeat(lines - 2)}}\n`;
}

function nested(levels: number): string {
  return `function f(a: number) {${"while (a) {".repeat(levels)}${"}".repeat(levels)}}`;
}

describe("each rule of style is broken by what it forbids and kept just before that", () => {
  const cases: readonly [StyleRule, keeps: string, breaks: string][] = [
    ["function lines", functionOf(LIMITS.functionLines), functionOf(LIMITS.functionLines + 1)],
    ["file lines", "f();\n".repeat(LIMITS.fileLines - 1), "f();\n".repeat(LIMITS.fileLines)],
    ["parameters", "const f = (a, b, c) => a;", "const f = (a, b, c, d) => a;"],
    ["depth", nested(LIMITS.depth), nested(LIMITS.depth + 1)],
    ["columns", `// ${"x".repeat(97)}`, `// ${"x".repeat(98)}`],
    ["columns", `/*\n * | ${"x".repeat(98)} |\n */`, `/*\n * ${"x".repeat(98)}\n */`],
    ["default export", "export const a = 1;", "export default 1;"],
    ["default export", "export { a };", "export { a as default };"],
    ["enum", 'type A = "a";', "enum A { a }"],
  ];
  test.each(cases)("%s: %#", (rule, keeps, breaks) => {
    expect(rulesBroken(OPENING + keeps)).toEqual([]);
    expect(rulesBroken(OPENING + breaks)).toEqual([rule]);
  });

  test.each(["utils.ts", "lease-helper.ts", "common/a.ts", "connection-manager.ts"])(
    "name: %s says nothing",
    (name) => {
      expect(rulesBroken(OPENING, `packages/redis/src/${name}`)).toEqual(["name"]);
    },
  );

  test("name: a longer word that contains a vague one is fine", () => {
    expect(rulesBroken(OPENING, "packages/redis/src/commonality.ts")).toEqual([]);
  });

  test("opening comment: code before it, or none at all", () => {
    expect(rulesBroken("f();")).toEqual(["opening comment"]);
    expect(rulesBroken("f();\n/** Late. */")).toEqual(["opening comment"]);
    expect(rulesBroken('export * from "./b.ts";')).toEqual([]);
    expect(rulesBroken(`#!/usr/bin/env node\n${OPENING}f();`)).toEqual([]);
  });

  test("a method, an arrow function in an object and a nested function are measured too", () => {
    expect(rulesBroken(`${OPENING}class A { m(a, b, c, d) {} }`)).toEqual(["parameters"]);
    expect(rulesBroken(`${OPENING}const o = { m: (a, b, c, d) => a };`)).toEqual(["parameters"]);
    const inner = `${OPENING}function f() { function g(a, b, c, d) {} }`;
    expect(rulesBroken(inner)).toEqual(["parameters"]);
  });

  test("a chain of else if is as deep as one if", () => {
    const chain = `function f(a: number) { if (a) {} ${"else if (a) {} ".repeat(5)}}`;
    expect(rulesBroken(OPENING + chain)).toEqual([]);
  });

  test("a function made of named functions counts without them, and each of them by itself", () => {
    const inner = (name: string) =>
      functionOf(LIMITS.functionLines - 5).replace("f()", `${name}()`);
    const factory = `function make() {\n${inner("a")}${inner("b")}return { a, b };\n}`;
    expect(rulesBroken(OPENING + factory)).toEqual([]);
    const callback = `function make() {\nrun(() => {\n${"f();\n".repeat(70)}});\n}`;
    expect(rulesBroken(OPENING + callback)).toEqual(["function lines", "function lines"]);
    const longInside = `function make() {\n${functionOf(LIMITS.functionLines + 1)}}`;
    expect(rulesBroken(OPENING + longInside)).toEqual(["function lines"]);
  });

  test("a chapter of tests may be long, its tests may not", () => {
    const body = "  f();\n".repeat(LIMITS.functionLines);
    const chapter = `describe("a", () => {\n${body}});`;
    const long = `test("a", () => {\n${body}});`;
    expect(rulesBroken(OPENING + chapter)).toEqual([]);
    expect(rulesBroken(OPENING + long)).toEqual(["function lines"]);
  });
});

describe("an exception", () => {
  const path = "packages/redis/src/a.ts";
  const file = parseSource(path, `${OPENING}function f(a, b, c, d) {}`);
  const reason = "the shape is that of a callback of somebody else";

  test("excuses exactly the function that it names", () => {
    expect(styleViolations([file], [{ rule: "parameters", path, name: "f", reason }])).toEqual([]);
  });

  test("is a violation when nothing needs it", () => {
    const exceptions: StyleException[] = [
      { rule: "parameters", path, name: "f", reason },
      { rule: "depth", path, name: "f", reason },
    ];
    const found = styleViolations([file], exceptions);
    expect(found.map(({ rule }) => rule)).toEqual(["stale exception"]);
  });
});
