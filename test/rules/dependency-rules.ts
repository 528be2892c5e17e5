/**
 * Who may import whom. Works on a graph that may come from the disk or from a test.
 *
 * Guarantees: a package that LAYERS does not know is a violation, so a new one has to be placed.
 * Type imports count like all others, for a type is knowledge, too; only a cycle needs imports that
 * are there at run time, since its harm is the order in which modules begin.
 */
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import type { ImportReference } from "./source-file.ts";

export interface Workspace {
  readonly packages: readonly Package[];
  readonly files: readonly ImportingFile[];
}

export interface Package {
  readonly name: string;
  /** Relative to the repository; "" is the repository itself: its scripts and its tests. */
  readonly folder: string;
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
  /** Specifiers that others may use, such as `@leasehold/testkit/group`. */
  readonly entryPoints: readonly string[];
}

export interface ImportingFile {
  readonly path: string;
  readonly imports: readonly ImportReference[];
}

export type DependencyRule =
  | "unknown package"
  | "layer"
  | "pure"
  | "deep import"
  | "undeclared"
  | "outside the package"
  | "missing file"
  | "computed import"
  | "cycle";

export interface DependencyViolation {
  readonly rule: DependencyRule;
  readonly where: string;
  readonly message: string;
}

interface Layer {
  /** Packages of this workspace that its sources may import. */
  readonly may: readonly string[];
  /** True: neither Node's modules nor third parties'. */
  readonly pure?: true;
}

const CORES = ["@leasehold/election", "@leasehold/replication"];
const ADAPTERS = ["@leasehold/guard", "@leasehold/kubernetes", "@leasehold/redis"];

/** Sources only; tests may also import what their package declares for development. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  "@leasehold/election": { may: [], pure: true },
  "@leasehold/replication": { may: ["@leasehold/election"], pure: true },
  "@leasehold/guard": { may: CORES },
  "@leasehold/kubernetes": { may: CORES },
  "@leasehold/redis": { may: CORES },
  "@leasehold/testkit": { may: CORES },
  // For applications: it stands alone, beside the ioredis that they bring.
  "@leasehold/client": { may: [] },
  "@leasehold/sidecar": { may: [...CORES, ...ADAPTERS] },
  "@leasehold/cli": { may: [...CORES, ...ADAPTERS, "@leasehold/testkit"] },
  "@leasehold/chart": { may: [] },
  "@leasehold/cluster": { may: [] },
  "@leasehold/e2e": { may: ["@leasehold/client", "@leasehold/cluster", "@leasehold/testkit"] },
  "@leasehold/example-orders": { may: ["@leasehold/client"] },
  "@leasehold/reference": { may: [] },
  "leasehold-monorepo": { may: [] },
};

export function dependencyViolations(workspace: Workspace): DependencyViolation[] {
  const context = { workspace, paths: new Set(workspace.files.map(({ path }) => path)) };
  return [
    ...workspace.packages
      .filter(({ name }) => !Object.hasOwn(LAYERS, name))
      .map(({ name }) => violation("unknown package", name, "give it its place in LAYERS")),
    ...workspace.files.flatMap((file) => violationsOfFile(file, context)),
    ...cycles(workspace.files),
  ];
}

interface Context {
  readonly workspace: Workspace;
  readonly paths: ReadonlySet<string>;
}

function violationsOfFile(file: ImportingFile, context: Context): DependencyViolation[] {
  const owner = ownerOf(file.path, context.workspace.packages);
  return file.imports.flatMap(({ specifier, line }) => {
    const where = `${file.path}:${line}`;
    if (specifier === null) {
      return [violation("computed import", where, "name the module, so that it can be checked")];
    }
    const found = specifier.startsWith(".")
      ? relativeImport(file.path, specifier, { owner, context })
      : packageImport(specifier, isSource(file.path), { owner, context });
    return found ? [violation(found.rule, where, found.message)] : [];
  });
}

interface Place {
  readonly owner: Package;
  readonly context: Context;
}

type Found = Omit<DependencyViolation, "where"> | null;

function relativeImport(path: string, specifier: string, { owner, context }: Place): Found {
  const target = posix.join(posix.dirname(path), specifier);
  // Configuration hands on to the repository's.
  const isConfig = posix.basename(path) === "vitest.config.ts";
  if (!isConfig && ownerOf(target, context.workspace.packages) !== owner) {
    return { rule: "outside the package", message: `${specifier} belongs to another package` };
  }
  if (isSource(path) && !isSource(target)) {
    return { rule: "outside the package", message: `${specifier} is not among the sources` };
  }
  if (context.paths.has(target)) return null;
  return { rule: "missing file", message: `there is no ${target}; write the whole name with .ts` };
}

function packageImport(specifier: string, fromSource: boolean, place: Place): Found {
  const { owner, context } = place;
  const layer = LAYERS[owner.name] ?? { may: [] };
  const name = packageNameOf(specifier);
  const sibling = context.workspace.packages.find((one) => one.name === name);
  if (sibling && sibling !== owner && !sibling.entryPoints.includes(specifier)) {
    return { rule: "deep import", message: `${name} does not export ${specifier}` };
  }
  if (fromSource && sibling && !layer.may.includes(name)) {
    return { rule: "layer", message: `${owner.name} must not know ${name}` };
  }
  if (fromSource && !sibling && layer.pure) {
    return { rule: "pure", message: `${owner.name} is pure and must not import ${specifier}` };
  }
  if (isBuiltin(specifier)) {
    if (specifier.startsWith("node:")) return null;
    return { rule: "undeclared", message: `write node:${specifier}` };
  }
  const declared = fromSource
    ? owner.dependencies
    : [...owner.dependencies, ...owner.devDependencies];
  if (declared.includes(name)) return null;
  return { rule: "undeclared", message: `${owner.folder}/package.json does not declare ${name}` };
}

/** Each circle of files once, reported where it closes. */
function cycles(files: readonly ImportingFile[]): DependencyViolation[] {
  const targets = new Map(files.map((file) => [file.path, relativeTargets(file)]));
  const done = new Set<string>();
  const found: DependencyViolation[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.push(violation("cycle", path, [...trail.slice(start), path].join(" → ")));
    } else if (!done.has(path)) {
      for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
      done.add(path);
    }
  };
  for (const { path } of files) visit(path, []);
  return found;
}

function relativeTargets({ path, imports }: ImportingFile): ReadonlySet<string> {
  const targets = imports.flatMap(({ specifier, typeOnly }) =>
    specifier?.startsWith(".") && !typeOnly ? [posix.join(posix.dirname(path), specifier)] : [],
  );
  return new Set(targets);
}

/** The package in whose folder the file lies; the repository's own if in none. */
function ownerOf(path: string, packages: readonly Package[]): Package {
  const owner =
    packages.find(({ folder }) => folder !== "" && path.startsWith(`${folder}/`)) ??
    packages.find(({ folder }) => folder === "");
  if (!owner) throw new Error(`${path} lies in no package: is the repository's own missing?`);
  return owner;
}

/** What a package is built from, as opposed to its tests and its configuration. */
function isSource(path: string): boolean {
  return path.includes("/src/");
}

function packageNameOf(specifier: string): string {
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

function violation(rule: DependencyRule, where: string, message: string): DependencyViolation {
  return { rule, where, message };
}
