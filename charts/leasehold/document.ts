/**
 * Writes what follows from the chart's own files: values.schema.json and the table of README.md
 * from the commented values.yaml, the versions of Chart.yaml from package.json, the copy of the
 * guard's script, the dashboard, and docs/alerts.md.
 *
 * Use: `node document.ts` writes; `node document.ts --check` writes nothing and ends with 1 if a
 * file is not current, which a test runs. Throws for a value without a comment.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { alertsPage } from "./alerts.ts";
import { DASHBOARD } from "./dashboard.ts";
import { isMap, isScalar, parseDocument, type Pair, type YAMLMap } from "yaml";

interface Value {
  /** `service.port` */
  readonly path: string;
  readonly comment: string;
  /** What `@schema` adds. */
  readonly rules: Readonly<Record<string, unknown>>;
  readonly standard: unknown;
  /** None: the value is free below here, or a leaf. */
  readonly children: readonly Value[];
  /** The `##` heading that begins with it. */
  readonly heading: string | null;
}

type Schema = Readonly<Record<string, unknown>>;

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), "utf8");

export const VALUES: readonly Value[] = valuesBelow(valuesRoot(), "");

function valuesRoot(): YAMLMap {
  const { contents } = parseDocument(read("values.yaml"));
  if (!isMap(contents)) throw new Error("values.yaml must hold a map.");
  return contents;
}

function valuesBelow(map: YAMLMap, prefix: string): readonly Value[] {
  return map.items.map((pair, index) => {
    // The parser gives the first key's comment to the map.
    const before = index === 0 ? map.commentBefore : undefined;
    return valueOf(pair, prefix, [before, commentOf(pair)].filter(Boolean).join("\n\n"));
  });
}

function commentOf({ key }: Pair): string {
  return isScalar(key) ? (key.commentBefore ?? "") : "";
}

function valueOf({ key, value }: Pair, prefix: string, text: string): Value {
  const path = `${prefix}${String(key)}`;
  const lines = text.split("\n").map((line) => line.trim());
  const own = lines.slice(lines.lastIndexOf("") + 1);
  const comment = own.filter((line) => !/^(@schema|#)/.test(line)).join(" ");
  if (comment === "") throw new Error(`values.yaml: ${path} has no comment; say what it does.`);
  const rules = own.filter((line) => line.startsWith("@schema "));
  const parsed = rules.map((line) => JSON.parse(line.slice("@schema ".length)) as Schema);
  const isFixed = isMap(value) && value.items.length > 0 && parsed.length === 0;
  return {
    path,
    comment,
    rules: Object.assign({}, ...parsed) as Schema,
    standard: isMap(value) || !isScalar(value) ? toPlain(value) : value.value,
    children: isFixed ? valuesBelow(value, `${path}.`) : [],
    heading: lines.findLast((line) => line.startsWith("# "))?.slice(2) ?? null,
  };
}

function toPlain(value: unknown): unknown {
  return (value as { toJSON(): unknown }).toJSON();
}

/** Refused by a template, which can say what there is instead: Helm validates before it renders. */
export function foreignKeys(): readonly string[] {
  const [, list = ""] =
    /define "leasehold.foreignKeys" -}}\n([\s\S]*?)\{\{- end/.exec(
      read("templates/_refusals.tpl"),
    ) ?? [];
  return [...list.matchAll(/^(\w+):/gm)].map(([, key = ""]) => key);
}

function schemaText(): string {
  const foreign: Record<string, Schema> = {};
  for (const key of foreignKeys()) foreign[key] = { description: "A value of other charts." };
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Values of the chart leasehold",
    ...objectSchema(VALUES),
  };
  const properties = { ...schema.properties, ...foreign };
  return `${JSON.stringify({ ...schema, properties }, null, 2)}\n`;
}

function objectSchema(values: readonly Value[]) {
  const properties: Record<string, Schema> = {};
  for (const value of values) {
    properties[value.path.slice(value.path.lastIndexOf(".") + 1)] = schemaOf(value);
  }
  return { type: "object", additionalProperties: false, properties };
}

function schemaOf({ path, comment, rules, standard, children }: Value): Schema {
  const description = comment;
  if (children.length > 0) {
    // Other charts of the same release have their own words there.
    const open = path === "global" ? { additionalProperties: true } : {};
    return { description, ...objectSchema(children), ...open };
  }
  return { description, ...(rules["enum"] ? {} : typeOf(standard)), default: standard, ...rules };
}

function typeOf(value: unknown): Schema {
  if (value === null) return {};
  if (Array.isArray(value)) return { type: "array" };
  return { type: typeof value === "number" ? "integer" : typeof value };
}

function readmeText(): string {
  const sections: string[] = [];
  let rows: string[][] = [];
  const finish = (): void => {
    if (rows.length > 0) sections.push(markdownTable(["value", "default", "meaning"], rows));
    rows = [];
  };
  for (const value of VALUES) {
    if (value.heading !== null) {
      finish();
      sections.push(`### ${value.heading}`);
    }
    rows.push(...rowsOf(value));
  }
  finish();
  const readme = read("README.md");
  const parts = /^([\s\S]*<!-- values:begin -->\n)[\s\S]*(<!-- values:end -->\n[\s\S]*)$/.exec(
    readme,
  );
  if (!parts) throw new Error("README.md needs the comments values:begin and values:end.");
  return `${parts[1]}\n${sections.join("\n\n")}\n\n${parts[2]}`;
}

function rowsOf({ path, comment, standard, children }: Value): string[][] {
  if (children.length > 0) return children.flatMap((child) => rowsOf(child));
  const shown = typeof standard === "string" ? standard : JSON.stringify(standard);
  const isLong = shown.length > 40;
  return [
    [`\`${path}\``, shown === "" ? "" : isLong ? "see values.yaml" : `\`${shown}\``, comment],
  ];
}

/** Padded as the formatter pads it. */
function markdownTable(head: readonly string[], body: readonly (readonly string[])[]): string {
  const rows = [head, ...body].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, i) => Math.max(3, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const [first = [], ...rest] = rows.map((row) =>
    row.map((cell, i) => cell.padEnd(widths[i] ?? 0)),
  );
  const rule = line(widths.map((width) => "-".repeat(width)));
  return [line(first), rule, ...rest.map(line)].join("\n");
}

function chartText(): string {
  const { version } = JSON.parse(read("package.json")) as { version: string };
  return read("Chart.yaml").replaceAll(/^(version|appVersion): .*$/gm, `$1: ${version}`);
}

function guardText(): string {
  return readFileSync(fileURLToPath(import.meta.resolve("@leasehold/guard/redis.sh")), "utf8");
}

if (import.meta.main) {
  const files = {
    "values.schema.json": schemaText(),
    "README.md": readmeText(),
    "Chart.yaml": chartText(),
    "files/redis.sh": guardText(),
    "files/dashboard.json": `${JSON.stringify(DASHBOARD, null, 2)}\n`,
    "../../docs/alerts.md": `${alertsPage().trimEnd()}\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    if (!process.argv.includes("--check")) writeFileSync(new URL(name, import.meta.url), text);
    else if (read(name) !== text) {
      process.stderr.write(`${name} is not current: run \`node charts/leasehold/document.ts\`\n`);
      process.exitCode = 1;
    }
  }
}
