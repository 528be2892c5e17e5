/**
 * What the documents tell users to type exists: Helm's flags and the chart's values, the command
 * line's commands and flags, the files that they name. Whether it works is seen on a cluster.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { VALUES } from "../document.ts";
import { GROUP, helm, RELEASE, renderText, tryRender } from "./render.ts";

const root = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), "utf8");

const PAGES = [
  "README.md",
  "charts/leasehold/README.md",
  "docs/operations.md",
  "docs/migrate/README.md",
] as const;

/** Lines of shell in fenced blocks, without prompts and comments. */
function commandsIn(page: string): readonly string[] {
  return blocksIn(page, "sh|console").flatMap((block) =>
    block
      .split("\n")
      .map((line) => line.replace(/^\$ /, "").replace(/\s+#.*$/, ""))
      .filter((line) => line !== ""),
  );
}

function blocksIn(page: string, languages: string): readonly string[] {
  const fences = new RegExp(`^ *\`\`\`(?:${languages})\n([\\s\\S]*?)^ *\`\`\``, "gm");
  return [...root(page).matchAll(fences)].map(([, block = ""]) => {
    const indent = /^ */.exec(block)?.[0] ?? "";
    return block.replaceAll(new RegExp(`^${indent}`, "gm"), "");
  });
}

/** YAML blocks by the name in their first line, `# name.yaml`. */
function filesIn(page: string): ReadonlyMap<string, string> {
  const named = blocksIn(page, "yaml").map(
    (block) => [/^# (\S+\.yaml)\n/.exec(block)?.[1] ?? "", block] as const,
  );
  return new Map(named.filter(([name]) => name !== ""));
}

const wordsOf = (command: string): string[] =>
  (command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []).map((word) =>
    word.replaceAll(/["']/g, ""),
  );

const commands = PAGES.flatMap((page) => commandsIn(page).map((line) => ({ page, line })));
const helmCommands = commands.filter(({ line }) => line.startsWith("helm "));
const ownCommands = commands.filter(({ line }) => /^(kubectl )?leasehold /.test(line));

test("the pages tell enough to be worth this test", () => {
  expect(helmCommands.length).toBeGreaterThan(12);
  expect(ownCommands.length).toBeGreaterThan(10);
});

describe("a command of helm", () => {
  const helps = new Map<string, Promise<string>>();
  const helpOf = (subcommand: string): Promise<string> => {
    const help = helps.get(subcommand) ?? helm([subcommand, "--help"]).then((run) => run.stdout);
    helps.set(subcommand, help);
    return help;
  };

  test.for(helmCommands)("$line has flags that helm knows, and values that render", async (one) => {
    const [, subcommand = "", ...words] = wordsOf(one.line);
    const help = await helpOf(subcommand);
    const flags = words.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.split("=")[0]);
    expect(flags.filter((flag) => !new RegExp(`(^|[ ,])${flag}[ ,]`, "m").test(help))).toEqual([]);
    if (!words.includes("charts/leasehold")) return;
    const sets = words.flatMap((word, at) => (words[at - 1] === "--set" ? ["--set", word] : []));
    const files = words.filter((_, at) => words[at - 1] === "-f");
    for (const file of files) expect([...filesIn(one.page).keys()]).toContain(file);
    const [file = ""] = files;
    const values: unknown = file === "" ? {} : parse(filesIn(one.page).get(file) ?? "");
    const { code, stderr } = await tryRender({ values, flags: sets });
    expect(stderr).toBe("");
    expect(code).toBe(0);
  });
});

test("every file of values renders, and other files are whole objects", async () => {
  for (const page of PAGES) {
    for (const text of filesIn(page).values()) {
      const content = parse(text) as Record<string, unknown>;
      if ("kind" in content) expect(content).toMatchObject({ apiVersion: expect.any(String) });
      else expect(await renderText({ values: content })).toContain(`name: ${GROUP}`);
    }
  }
});

test("every value that a page names is one of the chart's", () => {
  const all = new Set<string>();
  const open: string[] = [];
  const add = (values: typeof VALUES): void => {
    for (const { path, children, standard } of values) {
      all.add(path);
      if (children.length === 0 && typeof standard === "object" && standard) open.push(`${path}.`);
      add(children);
    }
  };
  add(VALUES);
  const roots = new Set([...all].filter((path) => !path.includes(".")));
  const unknown = ["docs/operations.md", "docs/migrate/README.md"].flatMap((page) => {
    const text = root(page).replaceAll(/^ *```[\s\S]*?^ *```/gm, "");
    const rows = text.split("\n").map((line) => (line.startsWith("|") ? line.split("|")[2] : line));
    const names = rows.flatMap((row) =>
      [...(row ?? "").matchAll(/`([a-zA-Z]+(?:\.[a-zA-Z]+)+)(?:[=:][^`]*)?`/g)].map(
        (m) => m[1] ?? "",
      ),
    );
    return names.filter(
      (name) =>
        roots.has(name.split(".")[0] ?? "") &&
        !/^tls\.(crt|key)$/.test(name) &&
        !all.has(name) &&
        !open.some((path) => name.startsWith(path)),
    );
  });
  expect(unknown).toEqual([]);
});

test("every command and flag of the command line is one that docs/cli.md has", () => {
  const sections = new Map(
    root("docs/cli.md")
      .split(/^## /m)
      .map((text) => [text.split("\n")[0] ?? "", text]),
  );
  const unknown = ownCommands.filter(({ line }) => {
    const [name = "", ...words] = wordsOf(line.replace(/^(kubectl )?leasehold /, ""));
    const section = sections.get(name) ?? "";
    const flags = words.filter((word) => /^--?[a-z]/.test(word));
    return section === "" || flags.some((flag) => !new RegExp(`[ ,]${flag}[ ,\n]`).test(section));
  });
  expect(unknown).toEqual([]);
});

test("names and labels of the pages are those that the chart renders", async () => {
  const rendered = await renderText();
  expect(GROUP).toBe(`${RELEASE}-leasehold`);
  for (const words of [`leasehold.dev/group: ${GROUP}`, `name: ${GROUP}-read`, "redis-password:"]) {
    expect(rendered).toContain(words);
  }
  const closed = await renderText({ values: { networkPolicy: { allowExternal: false } } });
  const job = root("docs/migrate/copy-keys-job.yaml");
  for (const text of [closed, job, root("docs/operations.md")]) {
    expect(text).toContain(`${GROUP}-client: "true"`);
  }
  expect(parse(job)).toMatchObject({ kind: "Job", apiVersion: "batch/v1" });
});
