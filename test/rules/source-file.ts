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
  /** True if nothing of it is left at run time. */
  readonly typeOnly: boolean;
}

/** Throws if the file does not parse. */
export function parseSource(path: string, text: string): SourceFile {
  const { program, comments, errors } = parseSync(path, text);
  const [error] = errors;
  if (error) throw new Error(`${path} does not parse: ${error.message}`);
  const lineAt = (offset: number) => text.slice(0, offset).split("\n").length;
  const opening = text.slice(program.hashbang?.end ?? 0, comments[0]?.start ?? 0);
  return {
    path,
    lines: text.split("\n"),
    imports: importsOf(program, lineAt),
    functions: functionsOf(program, lineAt),
    ...constructsOf(program),
    opensWithComment: comments.length > 0 && opening.trim() === "",
    onlyReexports: program.body.every(
      ({ type }) => type === "ExportAllDeclaration" || type === "ExportNamedDeclaration",
    ),
  };
}

/** All ways to name another module: declarations, calls and types. */
function importsOf(program: ESTree.Program, lineAt: (offset: number) => number): ImportReference[] {
  const imports: ImportReference[] = [];
  const add = (source: ESTree.Node | null | undefined, typeOnly: boolean) => {
    if (!source) return;
    const isText = source.type === "Literal" && typeof source.value === "string";
    const specifier = isText ? source.value : null;
    imports.push({ specifier, line: lineAt(source.start), typeOnly });
  };
  new Visitor({
    ImportDeclaration: ({ source, importKind }) => add(source, importKind === "type"),
    ExportAllDeclaration: ({ source, exportKind }) => add(source, exportKind === "type"),
    ExportNamedDeclaration: ({ source, exportKind }) => add(source, exportKind === "type"),
    ImportExpression: ({ source }) => add(source, false),
    TSImportType: ({ source }) => add(source, true),
    TSExternalModuleReference: ({ expression }) => add(expression, false),
    CallExpression({ callee, arguments: [source] }) {
      if (callee.type === "Identifier" && callee.name === "require") add(source, false);
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
