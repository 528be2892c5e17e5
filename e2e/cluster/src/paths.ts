/**
 * Where everything lies in the cache folder.
 *
 * `bin-KEY` depends on the Go modules and their build alone, so that a second clone, or a branch,
 * builds only what it changed. `state/NAME` is a running cluster, and goes with `down`.
 */
import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { arch } from "node:process";
import { CLUSTER_NAME } from "./environment.ts";

export const GO_FOLDER = join(import.meta.dirname, "..", "go");
export const SHELL_FOLDER = join(import.meta.dirname, "shell");
export const REPOSITORY = join(import.meta.dirname, "..", "..", "..");
/** The one that the chart's tests use is built from the same modules. */
export const HELM_FOLDER = join(REPOSITORY, "tools", "helm");

export interface Paths {
  readonly cache: string;
  readonly bin: string;
  readonly images: string;
  readonly debs: string;
  readonly state: string;
  readonly pki: string;
  readonly logs: string;
  readonly nodes: string;
  readonly kubeconfig: string;
}

export function pathsIn(cache: string): Paths {
  const state = join(cache, "state", CLUSTER_NAME);
  return {
    cache,
    bin: join(cache, `bin-${keyOfBinaries()}`),
    images: join(cache, "images"),
    debs: join(cache, "debs"),
    state,
    pki: join(state, "pki"),
    logs: join(state, "logs"),
    nodes: join(state, "nodes"),
    kubeconfig: join(state, "pki", "admin.kubeconfig"),
  };
}

/** Changes with every Go file, with how they are built, and with the kind of machine. */
function keyOfBinaries(): string {
  const paths = [GO_FOLDER, HELM_FOLDER].flatMap((cwd) =>
    globSync("**/*.{go,mod,sum}", { cwd })
      .toSorted()
      .map((file) => join(cwd, file)),
  );
  const files = paths.map((path) => relative(REPOSITORY, path));
  const texts = [...paths, join(import.meta.dirname, "binaries.ts")].map((path) =>
    readFileSync(path, "utf8"),
  );
  return keyOf([arch, ...files, ...texts]);
}

export function keyOf(parts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:${part}`);
  return hash.digest("hex").slice(0, 12);
}
