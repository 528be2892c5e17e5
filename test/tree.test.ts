/** What must be in no file of the repository. */
import { expect, test } from "vitest";
import { listFiles, readText } from "./rules/repository.ts";

/** Spelled in pieces, so that this file keeps to its own rule. */
const FORBIDDEN: readonly { readonly word: string; readonly why: string }[] = [
  { word: ["", "work", ""].join("/"), why: "a path of one machine" },
  { word: ["", "root", ""].join("/"), why: "a path of one machine" },
  { word: ["..", "shared"].join("/"), why: "a folder outside the repository" },
];

function violations(path: string, text: string): string[] {
  const words = FORBIDDEN.filter(({ word }) => text.includes(word));
  return words.map(({ word, why }) => `${path} contains "${word}": ${why}`);
}

test("no file names a path of the machine on which it was written", () => {
  expect(listFiles().flatMap((path) => violations(path, readText(path)))).toEqual([]);
});

test.each(FORBIDDEN)("a file that contains $word is found", ({ word }) => {
  expect(violations("a.md", `see ${word}b`)).toHaveLength(1);
  expect(violations("a.md", "see docs/protocol.md and work/b")).toEqual([]);
});

test("lock files name no host, so that they hold for every registry", () => {
  const locks = listFiles().filter((path) => /(pnpm-lock\.yaml|package-lock\.json)$/.test(path));
  expect(locks.toSorted()).toEqual([
    "pnpm-lock.yaml",
    "tools/consumers/package-lock.json",
    "tools/package-lock.json",
  ]);
  for (const path of locks) expect(readText(path)).not.toMatch(/(resolved|tarball)"?: *"?https?:/);
});

test("the tools' lock file holds Node and pnpm for each machine that they are brought to", () => {
  const { packages } = JSON.parse(readText("tools/package-lock.json")) as {
    packages: Record<string, unknown>;
  };
  for (const machine of ["linux-x64", "linux-arm64"]) {
    expect(packages).toHaveProperty([`node_modules/node-${machine}`]);
    expect(packages).toHaveProperty([`node_modules/@pnpm/exe.${machine}`]);
  }
});

test("the tools bring the pnpm that package.json names", () => {
  const tools = JSON.parse(readText("tools/package.json")) as {
    optionalDependencies: Record<string, string>;
  };
  const { packageManager } = JSON.parse(readText("package.json")) as { packageManager: string };
  for (const machine of ["linux-x64", "linux-arm64"]) {
    expect(`pnpm@${tools.optionalDependencies[`@pnpm/exe.${machine}`]}`).toBe(packageManager);
  }
});
