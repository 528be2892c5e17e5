/** A test that no script runs is worse than none: it looks like one. */
import { posix } from "node:path";
import { expect, test } from "vitest";
import { listFiles, readText } from "./rules/repository.ts";

/** The scripts of the package in a folder. */
type ScriptsIn = (folder: string) => Readonly<Record<string, string>> | undefined;

const SUITES = [
  {
    matches: /^((?:packages|apps|charts|e2e|examples)\/[^/]+)\/test\/(?:.*\/)?[^/]+\.test\.ts$/,
    script: "test",
  },
  {
    matches:
      /^((?:packages|apps|charts|examples)\/[^/]+)\/test\/process\/(?:.*\/)?[^/]+\.process\.ts$/,
    script: "test:process",
  },
  {
    matches: /^(e2e\/[^/]+)\/test\/cluster\/(?:.*\/)?[^/]+\.cluster\.ts$/,
    script: "test:cluster",
  },
];

/** Behind whatever prepares its place. */
const EXPECTED: Readonly<Record<string, string>> = {
  test: "vitest run",
  "test:process": "vitest run --mode process",
  "test:cluster": "vitest run --mode cluster",
};

function orphans(paths: readonly string[], scriptsIn: ScriptsIn): string[] {
  const tests = paths.filter((path) => /\.(test|process|cluster)\.ts$/.test(path));
  return tests.flatMap((path) => {
    if (/^test\/.+\.test\.ts$/.test(path)) return [];
    const suite = SUITES.find(({ matches }) => matches.test(path));
    if (!suite) return [`${path} lies where no suite looks`];
    const folder = suite.matches.exec(path)?.[1] ?? "";
    const expected = EXPECTED[suite.script] ?? "";
    if (scriptsIn(folder)?.[suite.script]?.endsWith(expected) === true) return [];
    const script = `"${suite.script}": "${expected}"`;
    return [`${path} is run by nothing: ${folder}/package.json needs the script ${script}`];
  });
}

test("every test of the repository is run by some script", () => {
  const found = orphans(listFiles(), (folder) => {
    const manifest = JSON.parse(readText(posix.join(folder, "package.json"))) as {
      scripts?: Record<string, string>;
    };
    return manifest.scripts;
  });
  expect(found).toEqual([]);
});

test("a test that nothing runs is found", () => {
  const scriptsIn = () => ({ test: "vitest run" });
  const paths = [
    "test/style.test.ts",
    "packages/redis/test/server.test.ts",
    "packages/redis/test/deep/server.test.ts",
  ];
  expect(orphans(paths, scriptsIn)).toEqual([]);
  const lost = [
    "packages/redis/test/process/server.process.ts",
    "packages/redis/test/server.process.ts",
    "packages/redis/src/server.test.ts",
    "test/style.process.ts",
    "e2e/cluster/test/up.cluster.ts",
  ];
  expect(orphans(lost, scriptsIn)).toHaveLength(lost.length);
});

test("every package hands its test configuration on to the repository's", () => {
  const folders = listFiles().filter((path) =>
    /^(packages|apps|charts|e2e)\/[^/]+\/package\.json$/.test(path),
  );
  for (const path of folders) {
    const config = readText(posix.join(posix.dirname(path), "vitest.config.ts"));
    expect(config).toContain('export { default } from "../../vitest.config.ts"');
  }
});
