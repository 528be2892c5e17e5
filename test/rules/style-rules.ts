/**
 * The measurable part of STYLE.md. What must exceed a limit is listed with its reason in
 * `style-exceptions.json`; an exception that nothing needs any more is a violation itself.
 */
import { posix } from "node:path";
import type { FunctionShape } from "./function-shape.ts";
import type { SourceFile } from "./source-file.ts";

export type StyleRule =
  | "function lines"
  | "file lines"
  | "parameters"
  | "depth"
  | "columns"
  | "name"
  | "default export"
  | "enum"
  | "opening comment"
  | "stale exception";

export interface StyleViolation {
  readonly rule: StyleRule;
  readonly path: string;
  /** The function, for rules about functions; "" otherwise. */
  readonly name: string;
  readonly message: string;
}

export interface StyleException {
  readonly rule: StyleRule;
  readonly path: string;
  readonly name?: string;
  readonly reason: string;
}

export const LIMITS = { functionLines: 70, fileLines: 400, parameters: 3, depth: 3, columns: 100 };

/** The formatter sees to the columns of code, not to those of comments; rows of tables are wide. */
const COMMENT = /^\s*(\/\/|\/\*|\*(?! *\|))/;
const VAGUE = /(^|-)(utils?|helpers?|common|managers?)(-|\.|$)/;

export function styleViolations(
  files: readonly SourceFile[],
  exceptions: readonly StyleException[],
): StyleViolation[] {
  const all = files.flatMap((file) => [
    ...violationsOfFile(file),
    ...file.functions.flatMap((shape) => violationsOfFunction(file.path, shape)),
  ]);
  const stale = exceptions.filter((exception) => !all.some((one) => excuses(exception, one)));
  return [
    ...all.filter((one) => !exceptions.some((exception) => excuses(exception, one))),
    ...stale.map(({ rule, path, name = "" }): StyleViolation => {
      return { rule: "stale exception", path, name, message: `nothing here breaks "${rule}"` };
    }),
  ];
}

function excuses({ rule, path, name = "" }: StyleException, found: StyleViolation): boolean {
  return rule === found.rule && path === found.path && name === found.name;
}

function violationsOfFile(file: SourceFile): StyleViolation[] {
  const found: StyleViolation[] = [];
  const add = (rule: StyleRule, message: string) => {
    found.push({ rule, path: file.path, name: "", message });
  };
  if (file.lines.length - 1 > LIMITS.fileLines) {
    add("file lines", `${file.lines.length - 1} lines, ${LIMITS.fileLines} at most: split it`);
  }
  for (const [index, line] of file.lines.entries()) {
    if (line.length > LIMITS.columns && COMMENT.test(line) && !line.includes("://")) {
      add("columns", `line ${index + 1} has ${line.length} columns, ${LIMITS.columns} at most`);
    }
  }
  const vague = file.path.split("/").find((part) => VAGUE.test(part));
  if (vague) add("name", `"${vague}" says nothing: name what it does`);
  const isConfiguration = posix.basename(file.path).endsWith(".config.ts");
  if (file.hasDefaultExport && !isConfiguration) add("default export", "export it by its name");
  if (file.hasEnum) add("enum", "use a union of literals: enums are no erasable syntax");
  if (needsOpening(file) && !file.opensWithComment) {
    add("opening comment", "open with what the module does, guarantees, and does not");
  }
  return found;
}

/** Test files speak by the names of their tests, and lists of exports by what they export. */
function needsOpening({ path, onlyReexports }: SourceFile): boolean {
  const isTest = /\.(test|process|cluster)\.ts$/.test(path);
  return !isTest && !onlyReexports;
}

function violationsOfFunction(path: string, shape: FunctionShape): StyleViolation[] {
  const { name, line, lines, parameters, depth, isChapter } = shape;
  const found: StyleViolation[] = [];
  const add = (rule: StyleRule, what: string, limit: number) => {
    const message = `line ${line}: ${name} has ${what}, ${limit} at most`;
    found.push({ rule, path, name, message });
  };
  if (lines > LIMITS.functionLines && !isChapter) {
    add("function lines", `${lines} lines`, LIMITS.functionLines);
  }
  if (parameters > LIMITS.parameters) {
    add("parameters", `${parameters} parameters`, LIMITS.parameters);
  }
  if (depth > LIMITS.depth) add("depth", `${depth} levels`, LIMITS.depth);
  return found;
}
