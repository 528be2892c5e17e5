/**
 * Applies one mutant after the other to a copy of the sources and lets the simulation look for it.
 *
 * Guarantees: the checked-out sources are never touched; a mutant that does not apply is an error;
 * a seed counts only if the unbroken protocol passes it. Copies are deleted, also after a failure.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Mutant, MUTANTS } from "./mutants.ts";
import { runSeed } from "./run.ts";

export interface MutationPlan {
  readonly subset: boolean;
  /** Null: all. */
  readonly only: string | null;
  /** Seeds within which each must be caught. */
  readonly seeds: number;
  readonly jobs: number;
}

export interface MutationResult {
  readonly mutant: Mutant;
  /** Null: nobody noticed. */
  readonly caught: {
    readonly seeds: number;
    readonly seed: number;
    readonly checker: string;
  } | null;
  readonly error: string | null;
}

/** What a child prints as its last line. */
interface ChildResult {
  readonly broken: readonly { readonly seed: number; readonly checker: string }[];
}

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const COPIED = ["election", "replication", "testkit"] as const;
const CHILD_MS = 600_000;

export async function runMutants(
  plan: MutationPlan,
  told: (result: MutationResult) => void,
): Promise<readonly MutationResult[]> {
  const chosen = MUTANTS.filter(
    (mutant) =>
      (!plan.subset || mutant.isQuick === true) &&
      (plan.only === null || mutant.name.includes(plan.only)),
  );
  const results: MutationResult[] = [];
  const waiting = [...chosen];
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const result = await runMutant(mutant, plan);
      results.push(result);
      told(result);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, plan.jobs) }, () => work()));
  return results;
}

async function runMutant(mutant: Mutant, plan: MutationPlan): Promise<MutationResult> {
  const slug = mutant.name.replaceAll(/[^a-z0-9]+/gi, "-").slice(0, 50);
  const folder = join(ROOT, ".tmp", "mutants", `${process.pid}-${slug}`);
  try {
    copySources(folder);
    for (const edit of mutant.edits) applyEdit(folder, edit);
    const { broken } = await runChild(folder, mutant.profile, plan.seeds);
    const seed = broken.find((run) => isSound(run.seed, mutant.profile));
    const caught = seed === undefined ? null : { ...seed, seeds: seed.seed };
    return { mutant, caught, error: null };
  } catch (error) {
    return { mutant, caught: null, error: error instanceof Error ? error.message : String(error) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The protocol as it is passes that seed: it was the mutant that broke it. */
function isSound(seed: number, profile: string): boolean {
  return runSeed({ seed, profile, members: null }).violation === null;
}

function copySources(folder: string): void {
  for (const name of COPIED) {
    const target = join(folder, "packages", name);
    mkdirSync(target, { recursive: true });
    const source = join(ROOT, "packages", name);
    const from = name === "testkit" ? join("src", "simulation") : "src";
    cpSync(join(source, from), join(target, from), { recursive: true });
    cpSync(join(source, "package.json"), join(target, "package.json"));
  }
  for (const file of ["random.ts", "virtual-clock.ts"]) {
    const path = join("packages", "testkit", "src", file);
    cpSync(join(ROOT, path), join(folder, path));
  }
  const modules = join(folder, "node_modules", "@leasehold");
  mkdirSync(modules, { recursive: true });
  for (const name of COPIED) symlinkSync(join(folder, "packages", name), join(modules, name));
}

function applyEdit(folder: string, edit: Mutant["edits"][number]): void {
  const path = join(folder, "packages", edit.file);
  const text = readFileSync(path, "utf8");
  const pattern = patternOf(edit.find);
  const count = text.match(new RegExp(pattern, "g"))?.length ?? 0;
  if (count !== 1) {
    throw new Error(
      `the mutant does not apply: ${edit.file} has ${count} times "${edit.find.trim()}"; ` +
        "bring src/simulation/mutants up to date",
    );
  }
  writeFileSync(
    path,
    text.replace(new RegExp(pattern), () => `\n${edit.replace}\n`),
  );
}

/** The words of `find` with any white space between them: a formatter must not hide them. */
export function patternOf(find: string): string {
  const words = find.trim().split(/\s+/);
  return words
    .map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join(String.raw`\s+`);
}

function runChild(folder: string, profile: string, seeds: number): Promise<ChildResult> {
  const main = join(folder, "packages", "testkit", "src", "simulation", "main.ts");
  const options = ["--seeds", String(seeds), "--profile", profile, "--jobs", "1"];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...options, "--json", "--stop-after", "3"], {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: CHILD_MS,
    });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    child.on("error", reject);
    child.on("close", () => {
      const last = output.trim().split("\n").at(-1) ?? "";
      if (last.startsWith("{")) resolve(JSON.parse(last) as ChildResult);
      else reject(new Error(`the simulation of the mutant did not end: ${errors.slice(-400)}`));
    });
  });
}
