/** Reads the repository as it lies on disk, tracked or about to be: what the rules judge. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Package } from "./dependency-rules.ts";
import { parseSource } from "./source-file.ts";
import type { SourceFile } from "./source-file.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, unknown>>;
}

/** Paths relative to the repository, of all files that git knows or would add. */
export function listFiles(): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
  const output = execFileSync("git", args, { cwd: ROOT, encoding: "utf8", timeout: 30_000 });
  const paths = output.split("\0").filter((path) => path !== "");
  return [...new Set(paths)].filter((path) => existsSync(join(ROOT, path)));
}

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

export function readSources(): SourceFile[] {
  const isSource = (path: string) => /\.(ts|mts|js|mjs)$/.test(path) && !path.endsWith(".d.ts");
  return listFiles()
    .filter(isSource)
    .map((path) => parseSource(path, readText(path)));
}

export function readPackages(): Package[] {
  const manifests = listFiles().filter((path) =>
    /^(((packages|apps|charts|e2e|examples)\/[^/]+|tools\/reference)\/)?package\.json$/.test(path),
  );
  return manifests.map((path) => {
    const manifest = JSON.parse(readText(path)) as Manifest;
    const folder = dirname(path);
    return {
      name: manifest.name,
      folder: folder === "." ? "" : folder,
      dependencies: Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }),
      devDependencies: Object.keys(manifest.devDependencies ?? {}),
      entryPoints: Object.keys(manifest.exports ?? {}).map((key) => join(manifest.name, key)),
    };
  });
}
