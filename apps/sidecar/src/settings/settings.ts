/**
 * From a configuration file and environment variables to checked settings, or to sentences that
 * name the key and what to do.
 *
 * The environment wins over the file. Nothing here reads `process.env` or files of its own
 * accord: `main` hands both in.
 */
import * as v from "valibot";
import { SETTINGS_KEYS, type SettingsKey } from "./keys.ts";
import { SECRET_KEYS, SettingsSchema, type Settings } from "./schema.ts";

export type SettingsOutcome =
  | { readonly ok: true; readonly settings: Settings; readonly unknownVariables: readonly string[] }
  | { readonly ok: false; readonly errors: readonly string[] };

export interface SettingsSource {
  /** YAML or JSON; null: no file. */
  readonly fileText: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

interface Tree {
  [name: string]: unknown;
}

export async function readSettings(source: SettingsSource): Promise<SettingsOutcome> {
  const file = await parseFile(source.fileText);
  if (typeof file === "string") return { ok: false, errors: [file] };
  // So that a missing section is reported by its missing keys.
  file["member"] ??= {};
  const errors: string[] = [];
  for (const key of SETTINGS_KEYS) {
    const value = source.environment[key.variable];
    if (value === undefined) continue;
    const parsed = parseVariable(key, value);
    if (parsed instanceof Error) errors.push(parsed.message);
    else setIn(file, key.path, parsed);
  }
  if (errors.length > 0) return { ok: false, errors };
  const result = v.safeParse(SettingsSchema, file);
  if (!result.success) return { ok: false, errors: result.issues.map(sentence) };
  return {
    ok: true,
    settings: result.output,
    unknownVariables: unknownVariables(source.environment),
  };
}

/** The settings as `--print-config` shows them. */
export function redact(settings: Settings): Record<string, unknown> {
  const copy = structuredClone(settings) as Tree;
  for (const path of SECRET_KEYS) {
    const parts = path.split(".");
    if (getIn(copy, parts)) setIn(copy, parts, "(set)");
  }
  return copy;
}

/** The keys whose values differ, in the order of the schema. */
export function changedKeys(before: Settings, after: Settings): readonly string[] {
  const valueIn = (settings: Settings, path: readonly string[]): string =>
    JSON.stringify(getIn({ ...settings }, path) ?? null);
  return SETTINGS_KEYS.filter(({ path }) => valueIn(before, path) !== valueIn(after, path)).map(
    ({ path }) => path.join("."),
  );
}

async function parseFile(fileText: string | null): Promise<Tree | string> {
  if (fileText === null) return {};
  try {
    const value: unknown = (await parseText(fileText)) ?? {};
    if (typeof value === "object" && !Array.isArray(value)) return value as Tree;
    return "The configuration file must hold keys and values, such as `group: orders`.";
  } catch (error) {
    return `The configuration file is neither YAML nor JSON: ${String(error)}`;
  }
}

/** A chart renders JSON: the YAML parser, 2 MiB of memory, is loaded only for people's files. */
async function parseText(text: string): Promise<unknown> {
  try {
    return JSON.parse(text);
  } catch {
    const { parse } = await import("yaml");
    return parse(text);
  }
}

function parseVariable(key: SettingsKey, value: string): unknown {
  if (key.kind === "list") return value.split("\n").filter((line) => line !== "");
  if (key.kind === "boolean" && (value === "true" || value === "false")) return value === "true";
  if (key.kind === "number" && /^-?\d+$/.test(value)) return Number(value);
  if (key.kind === "text") return value;
  const wanted = key.kind === "number" ? "a whole number" : "true or false";
  return new Error(`${key.variable} (${value}) must be ${wanted}.`);
}

/** Also Kubernetes' own for a Service called "leasehold": hence a warning, not an error. */
function unknownVariables(environment: SettingsSource["environment"]): readonly string[] {
  const known = new Set(["LEASEHOLD_CONFIG", ...SETTINGS_KEYS.map((key) => key.variable)]);
  return Object.keys(environment).filter(
    (name) => name.startsWith("LEASEHOLD_") && !known.has(name),
  );
}

function sentence(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? "The configuration";
  if (issue.type === "strict_object" && issue.expected === "never") {
    return `${path} is not a key of Leasehold; remove it or correct its name.`;
  }
  if (issue.input === undefined) return `${path} is missing and has no default: set it.`;
  const shown = SECRET_KEYS.includes(path) ? "(set)" : JSON.stringify(issue.input);
  return `${path} (${shown}): ${issue.message}.`;
}

function setIn(tree: Tree, path: readonly string[], value: unknown): void {
  const [name = "", ...rest] = path;
  if (rest.length === 0) {
    tree[name] = value;
    return;
  }
  const below = tree[name];
  const child: Tree = typeof below === "object" && below !== null ? (below as Tree) : {};
  tree[name] = child;
  setIn(child, rest, value);
}

function getIn(tree: Tree, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, name) => (at as Tree | undefined)?.[name], tree);
}
