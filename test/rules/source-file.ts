/**
 * Reads one source file with a real parser (oxc, by way of Vite): its imports, its functions and
 * the constructs that the rules speak of. It judges nothing.
 */
import { parseSync, Visitor } from "vite";
import type { ESTree } from "vite";
import { functionsOf } from "./function-shape.ts";
import type { FunctionShape } from "./function-shape.ts";

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly lines: readonly string[];
  readonly imports: readonly ImportReference[];
  readonly functions: readonly FunctionShape[];
  readonly hasDefaultExport: boolean;
  readonly hasEnum: boolean;
  readonly opensWithComment: boolean;
  /** True if the file does nothing but export from others. */
  readonly onlyReexports: boolean;
}

export interface ImportReference {
  /** Null: an `import(…)` whose target is computed. */
  readonly specifier: string | null;
  readonly line: number;
}

/** Throws if the file does not parse. */
export function parseSource(path: string, text: string): SourceFile {
  const { program, comments, errors } = parseSync(path, text);
  const [error] = errors;
  if (error) throw new Error(`${path} does not parse: ${error.message}`);
  const lineAt = (offset: number) => text.slice(0, offset).split("\n").length;
  const [first] = comments;
  return {
    path,
    lines: text.split("\n"),
    imports: importsOf(program, lineAt),
    functions: functionsOf(program, lineAt),
    ...constructsOf(program),
    opensWithComment: first !== undefined && text.slice(0, first.start).trim() === "",
    onlyReexports: program.body.every(
      ({ type }) => type === "ExportAllDeclaration" || type === "ExportNamedDeclaration",
    ),
  };
}

/** All ways to name another module: declarations, calls and types. */
function importsOf(program: ESTree.Program, lineAt: (offset: number) => number): ImportReference[] {
  const imports: ImportReference[] = [];
  const add = (source: ESTree.Node | null | undefined) => {
    if (!source) return;
    const isText = source.type === "Literal" && typeof source.value === "string";
    imports.push({ specifier: isText ? source.value : null, line: lineAt(source.start) });
  };
  new Visitor({
    ImportDeclaration: ({ source }) => add(source),
    ExportAllDeclaration: ({ source }) => add(source),
    ExportNamedDeclaration: ({ source }) => add(source),
    ImportExpression: ({ source }) => add(source),
    TSImportType: ({ source }) => add(source),
    TSExternalModuleReference: ({ expression }) => add(expression),
    CallExpression({ callee, arguments: [source] }) {
      if (callee.type === "Identifier" && callee.name === "require") add(source);
    },
  }).visit(program);
  return imports;
}

function constructsOf(program: ESTree.Program) {
  let hasDefaultExport = false;
  let hasEnum = false;
  new Visitor({
    ExportDefaultDeclaration() {
      hasDefaultExport = true;
    },
    ExportSpecifier({ exported }) {
      hasDefaultExport ||= exported.type === "Identifier" && exported.name === "default";
    },
    TSEnumDeclaration() {
      hasEnum = true;
    },
  }).visit(program);
  return { hasDefaultExport, hasEnum };
}
