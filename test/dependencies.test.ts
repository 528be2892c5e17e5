import { describe, expect, test } from "vitest";
import { dependencyViolations } from "./rules/dependency-rules.ts";
import type { DependencyRule, Package, Workspace } from "./rules/dependency-rules.ts";
import { readPackages, readSources } from "./rules/repository.ts";
import { parseSource } from "./rules/source-file.ts";

test("the repository keeps to its dependency rules", () => {
  const workspace = { packages: readPackages(), files: readSources() };
  expect(workspace.packages.length).toBeGreaterThanOrEqual(8);
  expect(workspace.files.length).toBeGreaterThan(50);
  const found = dependencyViolations(workspace);
  expect(found.map(({ where, rule, message }) => `${where}: ${rule}: ${message}`)).toEqual([]);
});

function packageOf(name: string, folder: string, dependencies: readonly string[]): Package {
  return { name, folder, dependencies, devDependencies: ["vitest"], entryPoints: [name] };
}

const ELECTION = "@leasehold/election";
const REPLICATION = "@leasehold/replication";
const REDIS = "@leasehold/redis";
const KUBERNETES = "@leasehold/kubernetes";

const PACKAGES: readonly Package[] = [
  packageOf("leasehold-monorepo", "", []),
  packageOf(ELECTION, "packages/election", []),
  packageOf(REPLICATION, "packages/replication", [ELECTION]),
  packageOf(REDIS, "packages/redis", [ELECTION, REPLICATION, "ioredis"]),
  packageOf(KUBERNETES, "packages/kubernetes", [ELECTION, REPLICATION, "undici"]),
  packageOf("@leasehold/sidecar", "apps/sidecar", [ELECTION, REDIS, KUBERNETES]),
];

const CLEAN: Readonly<Record<string, string>> = {
  "packages/election/src/index.ts": 'export * from "./record.ts";',
  "packages/election/src/record.ts": "export type Epoch = number;",
  "packages/election/test/record.test.ts": 'import "vitest"; import "../src/record.ts";',
  "packages/replication/src/decide.ts": `import type { Epoch } from "${ELECTION}";`,
  "packages/redis/src/server.ts": 'import "ioredis"; import "node:net"; import "./errors.ts";',
  "packages/redis/src/errors.ts": `import type { Action } from "${REPLICATION}";`,
  "packages/kubernetes/src/lease-store.ts": `import "undici"; import "${ELECTION}";`,
  "apps/sidecar/src/main.ts": `import "${REDIS}"; import "${KUBERNETES}";`,
  "packages/redis/vitest.config.ts": 'export { default } from "../../vitest.config.ts";',
  "vitest.config.ts": 'import "vitest/config";',
};

/** The clean workspace with some files added or replaced. */
function workspaceWith(changes: Readonly<Record<string, string>> = {}): Workspace {
  const texts = { ...CLEAN, ...changes };
  const files = Object.entries(texts).map(([path, text]) => parseSource(path, text));
  return { packages: PACKAGES, files };
}

function rulesBroken(workspace: Workspace): DependencyRule[] {
  return dependencyViolations(workspace).map(({ rule }) => rule);
}

describe("each dependency rule is broken by what it forbids", () => {
  test("nothing is forbidden in the workspace that the other tests break", () => {
    expect(rulesBroken(workspaceWith())).toEqual([]);
  });

  interface Case {
    readonly rule: DependencyRule;
    readonly what: string;
    readonly path: string;
    readonly text: string;
  }
  const inElection = "packages/election/src/a.ts";
  const inReplication = "packages/replication/src/a.ts";
  const inRedis = "packages/redis/src/a.ts";
  const inSidecar = "apps/sidecar/src/a.ts";
  const pure: Case[] = [
    { what: "election imports node:", path: inElection, text: 'import "node:fs";' },
    { what: "election imports a library", path: inElection, text: 'import "yaml";' },
    { what: "replication imports node:", path: inReplication, text: 'import "node:os";' },
  ].map((one) => ({ ...one, rule: "pure" }));
  const layer: Case[] = [
    { what: "election imports replication", path: inElection, text: `import "${REPLICATION}";` },
    { what: "replication imports redis", path: inReplication, text: `import "${REDIS}";` },
    { what: "an adapter imports the other", path: inRedis, text: `import "${KUBERNETES}";` },
    { what: "a type is imported", path: inRedis, text: `import type { A } from "${KUBERNETES}";` },
    { what: "a type names it", path: inRedis, text: `type A = import("${KUBERNETES}").A;` },
    { what: "a re-export names it", path: inRedis, text: `export * from "${KUBERNETES}";` },
    { what: "a dynamic import", path: inRedis, text: `await import("${KUBERNETES}");` },
    { what: "a package imports an app", path: inRedis, text: 'import "@leasehold/sidecar";' },
  ].map((one) => ({ ...one, rule: "layer" }));
  const undeclared: Case[] = [
    { what: "a library", path: inRedis, text: 'import "pino";' },
    { what: "one for development only", path: inRedis, text: 'import "vitest";' },
    { what: "Node's without node:", path: inRedis, text: 'import "net";' },
    { what: "by a test", path: "packages/redis/test/a.test.ts", text: 'import "fast-check";' },
    { what: "by require", path: inRedis, text: 'require("pino");' },
  ].map((one) => ({ ...one, rule: "undeclared" }));
  const others: Case[] = [
    {
      rule: "deep import",
      what: "past the package's name",
      path: inSidecar,
      text: `import "${REDIS}/src/server.ts";`,
    },
    {
      rule: "outside the package",
      what: "by a path",
      path: inSidecar,
      text: 'import "../../../packages/redis/src/server.ts";',
    },
    {
      rule: "outside the package",
      what: "a source imports a test",
      path: inElection,
      text: 'import "../test/record.test.ts";',
    },
    {
      rule: "missing file",
      what: "a name without its ending",
      path: inRedis,
      text: 'import "./errors";',
    },
    {
      rule: "computed import",
      what: "of what a variable says",
      path: inRedis,
      text: "await import(name);",
    },
  ];
  test.each([...pure, ...layer, ...undeclared, ...others])(
    "$rule: $what",
    ({ rule, path, text }) => {
      expect(rulesBroken(workspaceWith({ [path]: text }))).toEqual([rule]);
    },
  );

  test("cycle: two files that import one another are reported once, with the way around", () => {
    const workspace = workspaceWith({
      "packages/redis/src/errors.ts": 'import { a } from "./server.ts";',
    });
    expect(dependencyViolations(workspace)).toEqual([
      {
        rule: "cycle",
        where: "packages/redis/src/server.ts",
        message:
          "packages/redis/src/server.ts → packages/redis/src/errors.ts → packages/redis/src/server.ts",
      },
    ]);
  });

  test("cycle: types alone make none", () => {
    const types = 'import type { A } from "./server.ts"; export type { B } from "./server.ts";';
    const workspace = workspaceWith({ "packages/redis/src/errors.ts": types });
    expect(rulesBroken(workspace)).toEqual([]);
  });

  test("unknown package: a new one has to be given its place", () => {
    const packages = [...PACKAGES, packageOf("@leasehold/new", "packages/new", [])];
    expect(rulesBroken({ ...workspaceWith(), packages })).toEqual(["unknown package"]);
  });

  test("layer: not even a declared dependency opens a layer", () => {
    const packages = PACKAGES.map((one) =>
      one.name === REDIS ? { ...one, dependencies: [...one.dependencies, KUBERNETES] } : one,
    );
    const { files } = workspaceWith({ "packages/redis/src/a.ts": `import "${KUBERNETES}";` });
    expect(rulesBroken({ packages, files })).toEqual(["layer"]);
  });
});
