/** Documents lead where they say, and explain what the code refers to. */
import { execFileSync } from "node:child_process";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { anchorsIn, cellsOf, deadLinks } from "./rules/documents.ts";
import type { Documents } from "./rules/documents.ts";
import { listFiles, readText } from "./rules/repository.ts";

const files = listFiles();
const PROTOCOL = readText("docs/protocol.md");

function readDocuments(): Documents {
  const pages = files.filter((path) => path.endsWith(".md"));
  return { pages: new Map(pages.map((path) => [path, readText(path)])), paths: withFolders(files) };
}

function withFolders(paths: readonly string[]): Set<string> {
  const all = new Set(paths);
  for (const path of all) if (path.includes("/")) all.add(posix.dirname(path));
  return all;
}

describe("links", () => {
  test("lead to files and headings that exist", () => {
    const documents = readDocuments();
    expect(documents.pages.size).toBeGreaterThan(10);
    expect(deadLinks(documents)).toEqual([]);
  });

  const paths = withFolders(["README.md", "docs/a.md"]);
  const linkFrom = (link: string): string[] =>
    deadLinks({
      paths,
      pages: new Map([
        ["README.md", `see [it](${link})`],
        ["docs/a.md", "# 2. Who may\n\n[up](../README.md), [here](#2-who-may)"],
      ]),
    });

  test.each(["docs/a.md", "docs/", "docs/a.md#2-who-may", "./docs/a.md", "https://example.com/x"])(
    "to %s are fine",
    (link) => {
      expect(linkFrom(link)).toEqual([]);
    },
  );

  test.each(["docs/b.md", "/docs/a.md", "docs/a.md#who-may", "#none"])("to %s are dead", (link) => {
    expect(linkFrom(link)).toHaveLength(1);
  });

  test("in code are none", () => {
    const pages = new Map([["README.md", "`[a](b)`\n\n```text\n[a](b)\n```\n"]]);
    expect(deadLinks({ pages, paths })).toEqual([]);
  });

  test("know headings as GitHub names them", () => {
    const text = "# A `code` word, *so*\n## 4.1 What?\n```sh\n# none\n```\n";
    expect([...anchorsIn(text)]).toEqual(["a-code-word-so", "41-what"]);
  });
});

describe("what the code refers to", () => {
  const sources = files.filter((path) => /^(packages|apps)\/.*\.(ts|sh|ya?ml)$/.test(path));
  const mentions = (pattern: RegExp): Set<string> =>
    new Set(sources.flatMap((path) => [...readText(path).matchAll(pattern)].map(([word]) => word)));

  test("of the interleavings is explained in docs/protocol.md", () => {
    const found = [...mentions(/\b[USR]\d{1,2}\b/g)];
    expect(found.length).toBeGreaterThan(10);
    expect(found.filter((name) => !PROTOCOL.includes(`**${name}**`))).toEqual([]);
  });

  test("of the second review is explained in docs/protocol.md", () => {
    const numbers = [...mentions(/second review [\d, ]+/g)].flatMap((words) => words.match(/\d+/g));
    const [, review = ""] = PROTOCOL.split("### Second review");
    expect(numbers.filter((number) => !review.includes(`\n${number}. `))).toEqual([]);
  });

  test("of the documents exists", () => {
    const pages = mentions(/docs\/[\w/-]+\.md/g);
    expect([...pages].filter((path) => !files.includes(path))).toEqual([]);
    const decisions = [...mentions(/docs\/adr\/\d{4}\b/g)];
    expect(decisions.filter((start) => !files.some((path) => path.startsWith(start)))).toEqual([]);
  });
});

test("the files that ARCHITECTURE.md names for each section of the protocol exist", () => {
  const cells = cellsOf(readText("ARCHITECTURE.md"), "file");
  expect(cells.length).toBeGreaterThan(15);
  const missing = cells.flatMap((cell) => {
    let folder = "";
    return [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, name = ""]) => {
      if (name.includes("/")) folder = posix.dirname(name);
      const path = `${folder.startsWith("apps/") ? "" : "packages/"}${folder}/${posix.basename(name)}`;
      return files.includes(path) ? [] : [path];
    });
  });
  expect(missing).toEqual([]);
});

test("every decision is in the index", () => {
  const index = readText("docs/adr/README.md");
  const decisions = files.filter((path) => /^docs\/adr\/\d{4}-.*\.md$/.test(path));
  expect(decisions.length).toBeGreaterThan(5);
  expect(decisions.filter((path) => !index.includes(`(${posix.basename(path)})`))).toEqual([]);
});

test.each(["apps/sidecar", "apps/cli", "tools/reference"])(
  "the pages that %s generates are current",
  (folder) => {
    const script = fileURLToPath(new URL(`../${folder}/document.ts`, import.meta.url));
    const run = () => execFileSync(process.execPath, [script, "--check"], { timeout: 30_000 });
    expect(run).not.toThrow();
  },
);
