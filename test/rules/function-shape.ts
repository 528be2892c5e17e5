/** Measures every function of a file: how long, how many parameters, how deeply nested. */
import { Visitor } from "vite";
import type { ESTree } from "vite";

export interface FunctionShape {
  /** Name of the function, or of the variable or property that holds it, or "anonymous". */
  readonly name: string;
  readonly line: number;
  /** Without those of named functions inside it, which are measured by themselves. */
  readonly lines: number;
  readonly parameters: number;
  /** Control structures inside one another, at most. `else if` is as deep as its `if`. */
  readonly depth: number;
  /** True for a callback of `describe`, which is a chapter of tests and not a function. */
  readonly isChapter: boolean;
}

type FunctionNode = ESTree.Function | ESTree.ArrowFunctionExpression;

const NESTING = [
  "IfStatement",
  "ForStatement",
  "ForInStatement",
  "ForOfStatement",
  "WhileStatement",
  "DoWhileStatement",
  "SwitchStatement",
  "TryStatement",
] as const;

export function functionsOf(
  program: ESTree.Program,
  lineAt: (offset: number) => number,
): FunctionShape[] {
  const { names, chapters, elseIfs } = contextOf(program);
  const functions: FunctionShape[] = [];
  // One entry per function around the walk's place.
  const around: { depthNow: number; depth: number; innerLines: number }[] = [];

  const enter = () => {
    around.push({ depthNow: 0, depth: 0, innerLines: 0 });
  };
  const leave = (node: FunctionNode) => {
    const { depth = 0, innerLines = 0 } = around.pop() ?? {};
    const line = lineAt(node.start);
    const lines = lineAt(node.end) - line + 1;
    const name = ("id" in node ? node.id?.name : undefined) ?? names.get(node);
    const outer = around.at(-1);
    if (outer) outer.innerLines += name === undefined ? innerLines : lines;
    functions.push({
      name: name ?? "anonymous",
      line,
      lines: lines - innerLines,
      parameters: node.params.length,
      depth,
      isChapter: chapters.has(node),
    });
  };
  const nest = (by: 1 | -1) => (node: ESTree.Node) => {
    const inside = around.at(-1);
    if (!inside || elseIfs.has(node)) return;
    inside.depthNow += by;
    inside.depth = Math.max(inside.depth, inside.depthNow);
  };
  new Visitor({
    ...Object.fromEntries(
      NESTING.flatMap((type) => [
        [type, nest(1)],
        [`${type}:exit`, nest(-1)],
      ]),
    ),
    FunctionDeclaration: enter,
    FunctionExpression: enter,
    ArrowFunctionExpression: enter,
    "FunctionDeclaration:exit": leave,
    "FunctionExpression:exit": leave,
    "ArrowFunctionExpression:exit": leave,
  }).visit(program);
  return functions;
}

/** What only the surroundings of a node tell about it. */
function contextOf(program: ESTree.Program) {
  const names = new Map<ESTree.Node, string>();
  const chapters = new Set<ESTree.Node>();
  const elseIfs = new Set<ESTree.Node>();
  const name = (value: ESTree.Node | null, holder: ESTree.Node) => {
    if (value && "name" in holder && typeof holder.name === "string") names.set(value, holder.name);
  };
  new Visitor({
    VariableDeclarator: ({ id, init }) => name(init, id),
    Property: ({ key, value }) => name(value, key),
    PropertyDefinition: ({ key, value }) => name(value, key),
    MethodDefinition: ({ key, value }) => name(value, key),
    IfStatement({ alternate }) {
      if (alternate?.type === "IfStatement") elseIfs.add(alternate);
    },
    CallExpression(call) {
      if (isDescribe(call.callee)) for (const argument of call.arguments) chapters.add(argument);
    },
  }).visit(program);
  return { names, chapters, elseIfs };
}

/** `describe(…)`, `describe.each(…)(…)`, `describe.skipIf(…)(…)`. */
function isDescribe(callee: ESTree.Node): boolean {
  if (callee.type === "Identifier") return callee.name === "describe";
  if (callee.type === "MemberExpression") return isDescribe(callee.object);
  return callee.type === "CallExpression" && isDescribe(callee.callee);
}
