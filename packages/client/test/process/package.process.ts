/** What is published, as an application finds it: packed, installed, imported and type-checked. */
import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startRedis, stopAll } from "./real-redis.ts";

const run = promisify(execFile);
const PACKAGE = join(import.meta.dirname, "../..");
const CONSUMERS = join(PACKAGE, "../../tools/consumers/node_modules");
const require = createRequire(import.meta.url);
let folder = "";
let tarball = "";
let packed = { size: 0, unpackedSize: 0, files: [] as { path: string }[] };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "leasehold-package-"));
  await run(process.execPath, ["build.ts"], { cwd: PACKAGE, timeout: 60_000 });
  const args = ["pack", "--json", "--pack-destination", folder];
  const { stdout } = await run("npm", args, { cwd: PACKAGE, timeout: 60_000 });
  const [info] = JSON.parse(stdout) as (typeof packed & { filename: string })[];
  if (!info) throw new Error("npm pack says nothing");
  packed = info;
  tarball = join(folder, info.filename);
  await install();
});
afterAll(async () => {
  await stopAll();
  rmSync(folder, { recursive: true, force: true });
});

/** Without a registry: the peers are those of this clone, linked below. */
async function install(): Promise<void> {
  const application = join(folder, "installed");
  mkdirSync(application);
  writeFileSync(join(application, "package.json"), JSON.stringify({ name: "app", private: true }));
  const quiet = ["--offline", "--legacy-peer-deps", "--no-audit", "--no-fund", "--ignore-scripts"];
  await run("npm", ["install", ...quiet, tarball], { cwd: application, timeout: 60_000 });
}

/** An application with the installed package and the peers of this clone, nothing else. */
async function consumer(name: string, type: "module" | "commonjs"): Promise<string> {
  const application = join(folder, name);
  const modules = join(application, "node_modules");
  cpSync(join(folder, "installed"), application, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(application, "package.json"), "utf8")) as object;
  writeFileSync(join(application, "package.json"), JSON.stringify({ ...manifest, name, type }));
  mkdirSync(join(modules, "@types"));
  symlinkSync(dirname(require.resolve("ioredis/package.json")), join(modules, "ioredis"));
  symlinkSync(dirname(require.resolve("@types/node/package.json")), join(modules, "@types/node"));
  symlinkSync(join(PACKAGE, "node_modules/@opentelemetry"), join(modules, "@opentelemetry"));
  return application;
}

const USE = `
const client = createLeasehold({
  topology: staticTopology({ nodes: [{ host: "127.0.0.1", port: Number(process.argv[2]) }] }),
});
client.leader.incr("n").then(async (n) => {
  const { version } = process;
  const isRedis = client.leader instanceof Redis;
  console.log(JSON.stringify({ n, isRedis, loadMs, version, kubernetes, metrics }));
  await client.close();
});
`;

const OPENING = (load: (name: string) => string): string => `
const startedAtMs = performance.now();
const { createLeasehold, staticTopology } = ${load("@leasehold/client")};
const loadMs = performance.now() - startedAtMs;
const { Redis } = ${load("ioredis")};
const { kubernetesTopology } = ${load("@leasehold/client/kubernetes")};
const { registerLeaseholdMetrics } = ${load("@leasehold/client/opentelemetry")};
const { kubernetes, metrics } = {
  kubernetes: kubernetesTopology({ service: "orders" }).name,
  metrics: registerLeaseholdMetrics.length,
};
`;

const KINDS = [
  ["ESM", "module", OPENING((name) => `await import("${name}")`)],
  ["CommonJS", "commonjs", OPENING((name) => `require("${name}")`)],
] as const;

interface Used {
  readonly n: number;
  readonly isRedis: boolean;
  readonly loadMs: number;
  readonly version: string;
  readonly kubernetes: string;
  readonly metrics: number;
}

/** `npm test` brings the other two. */
const consumerNode = (age: string): string =>
  join(CONSUMERS, `${age}-${process.platform}-${process.arch}`, "bin/node");
const NODES = [
  ["oldest", consumerNode("oldest")],
  ["present", process.execPath],
  ["newest", consumerNode("newest")],
] as const;

describe("the packed package", () => {
  test("holds what is built, weighs little, and depends on nothing", () => {
    const manifest = JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as object;
    expect(manifest).not.toHaveProperty("dependencies");
    const paths = packed.files.map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(["dist/index.js", "dist/index.d.ts", "README.md"]),
    );
    expect(paths.filter((path) => /test|scenarios|\.tsbuildinfo|src\//.test(path))).toEqual([]);
    const kilobytes = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`;
    console.log(
      `package: ${kilobytes(packed.size)} packed, ${kilobytes(packed.unpackedSize)} unpacked`,
    );
    expect(packed.size).toBeLessThan(150 * 1024);
  });

  test("pleases publint and attw", async () => {
    const { messages, pkg } = await publint({ pkgDir: PACKAGE, pack: "npm", strict: true });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
    const found = await checkPackage(createPackageFromTarballData(readFileSync(tarball)));
    const problems = found.types ? found.problems : [{ kind: "no types" }];
    const kinds = problems.flatMap((problem) => {
      // ESM alone, by design: require() of it works from Node 22.12 on.
      if (problem.kind === "CJSResolvesToESM") return [];
      // What resolves by `main` alone is older than that.
      const isOld = "resolutionKind" in problem && problem.resolutionKind === "node10";
      return isOld ? [] : [problem.kind];
    });
    expect(kinds).toEqual([]);
  });

  describe.each(NODES)("under the %s Node", (age, node) => {
    beforeEach((context) => {
      if (!existsSync(node)) context.skip(`there is no ${node}: npm test brings it`);
    });

    test.each(KINDS)("works in an application of kind %s", async (name, type, opening) => {
      const redis = await startRedis();
      const application = await consumer(`${name}-${age}`, type);
      writeFileSync(join(application, "main.js"), opening + USE);
      const { stdout, stderr } = await run(node, ["main.js", String(redis.port)], {
        cwd: application,
        timeout: 20_000,
      });
      const result = JSON.parse(stdout) as Used;
      console.log(
        `package: ${name} loads in ${result.loadMs.toFixed(0)} ms under Node ${result.version}, ` +
          "ioredis included",
      );
      expect(result).toMatchObject({ n: 1, isRedis: true });
      expect([result.kubernetes, result.metrics]).toEqual(["kubernetes", 1]);
      // Node 22.12 says so of each require() of an ES module, and then where to see more.
      const itsOwn =
        /^\(node:\d+\) ExperimentalWarning: CommonJS module .* require\(\)\..*\n.*\n\(Use .*\)\n$/;
      expect(stderr.replace(itsOwn, "")).toBe("");
    });
  });

  test("runs the first example of the README as it is printed, but for the address", async () => {
    const redis = await startRedis();
    const application = await consumer("example", "module");
    const readme = readFileSync(join(PACKAGE, "README.md"), "utf8");
    const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
    const source = example.replace("orders-leasehold.shop:6379", `127.0.0.1:${redis.port}`);
    expect(source).not.toBe(example);
    expect(example.trim().split("\n").length).toBeLessThanOrEqual(10);
    writeFileSync(join(application, "main.js"), source);
    const { stdout } = await run(process.execPath, ["main.js"], {
      cwd: application,
      timeout: 20_000,
    });
    expect(stdout).toBe("1\n");
  });

  test.each([
    ["ESM", "module"],
    ["CommonJS", "commonjs"],
  ] as const)(
    "gives an application of kind %s its types, and refuses what the client decides",
    async (name, type) => {
      const application = await consumer(`typed-${name}`, type);
      const main = (redis: string): string => `
      import { createLeasehold, serviceTopology, outcomeOf, type Outcome } from "@leasehold/client";
      import { kubernetesTopology } from "@leasehold/client/kubernetes";
      import { registerLeaseholdMetrics } from "@leasehold/client/opentelemetry";
      const topology = serviceTopology({ writer: "orders:6379" });
      const client = createLeasehold({ topology, redis: ${redis} });
      const value: Promise<string | null> = client.leader.get("k");
      const outcome: Outcome = outcomeOf(value);
      client.on("leaderChanged", ({ epoch }) => epoch?.toFixed());
      const end: Parameters<typeof registerLeaseholdMetrics> extends [unknown] ? true : never = true;
      const provider: string = kubernetesTopology({ service: "orders" }).name;
      export { outcome, end, provider };`;
      const compiler = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
      const flags = [
        "--noEmit",
        "--strict",
        "--module",
        "nodenext",
        "--types",
        "node",
        "--target",
        "es2023",
      ];
      writeFileSync(join(application, "right.ts"), main(`{ password: "secret" }`));
      writeFileSync(join(application, "wrong.ts"), main(`{ retryStrategy: () => 0 }`));
      const args = [compiler, ...flags, "right.ts", "wrong.ts"];
      const errors = await run(process.execPath, args, { cwd: application, timeout: 60_000 }).then(
        () => "",
        (error: { stdout: string }) => error.stdout,
      );
      expect(errors).toMatch(/^wrong\.ts.*: error /);
      expect(errors.match(/^\S+: error .*$/gm)).toHaveLength(1);
      expect(errors).toContain("retryStrategy");
    },
  );
});
