/**
 * What the repository's documents must keep: links that lead somewhere, and names that exist.
 *
 * Works on texts that may come from the disk or from a test. Reads Markdown as far as it is used
 * here: inline links, `#` headings, fenced code. Links to other hosts are not followed.
 */
import { posix } from "node:path";

export interface Documents {
  /** Markdown by its path in the repository. */
  readonly pages: ReadonlyMap<string, string>;
  /** Every file of the repository, and every folder that holds one. */
  readonly paths: ReadonlySet<string>;
}

/** Sentences; empty when every relative link leads to a file and a heading that exist. */
export function deadLinks(documents: Documents): string[] {
  return [...documents.pages].flatMap(([path, text]) =>
    linksIn(text).flatMap((link) => problemOf(link, path, documents)),
  );
}

function linksIn(text: string): string[] {
  const links = withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g);
  return [...links].map(([, target = ""]) => target);
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
}

function problemOf(link: string, from: string, documents: Documents): string[] {
  if (/^[a-z]+:/.test(link)) return [];
  if (link.startsWith("/")) return [`${from}: ${link} is not relative`];
  const [file = "", anchor] = link.split("#");
  const target = file === "" ? from : posix.normalize(posix.join(posix.dirname(from), file));
  if (!documents.paths.has(target.replace(/\/$/, ""))) return [`${from}: ${link} is no file`];
  const page = documents.pages.get(target);
  if (anchor === undefined || page === undefined || anchorsIn(page).has(anchor)) return [];
  return [`${from}: ${link} is no heading of ${target}`];
}

/** As GitHub makes them, without the numbers for headings that repeat. */
export function anchorsIn(text: string): ReadonlySet<string> {
  const headings = text.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/^#{1,6} +(.+)$/gm);
  return new Set(
    [...headings].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .trim()
        .replaceAll(/\s/g, "-"),
    ),
  );
}

/** Cells of every table row whose header row has `column`, by row, each with its own heading. */
export function cellsOf(text: string, column: string): string[] {
  let at = -1;
  const cells: string[] = [];
  for (const line of text.split("\n")) {
    const row = line.startsWith("|") ? line.split("|").slice(1, -1) : [];
    if (row.length === 0) at = -1;
    else if (at === -1) at = row.findIndex((cell) => cell.trim() === column);
    else if (!/^\s*-+\s*$/.test(row[at] ?? "")) cells.push((row[at] ?? "").trim());
  }
  return cells;
}

/** What the last column of docs/failure-modes.md points to. */
export interface TestReferences {
  readonly sentences: readonly string[];
  readonly acts: readonly string[];
  /** On a cluster. */
  readonly clusterActs: readonly string[];
  readonly faults: readonly string[];
}

/** Throws if the cell is neither references nor the words "not yet tested". */
export function testReferences(cell: string): TestReferences {
  const all = (pattern: RegExp) => [...cell.matchAll(pattern)].map(([, name = ""]) => name);
  const rest = cell
    .replaceAll(/"[^"]+"|(demo|e2e|sim) `[^`]+`|not yet tested/g, "")
    .replaceAll(/[\s,]/g, "");
  if (rest !== "" || cell === "") throw new Error(`"${cell}" names a test in no known way`);
  return {
    sentences: all(/"([^"]+)"/g),
    acts: all(/demo `([^`]+)`/g),
    clusterActs: all(/e2e `([^`]+)`/g),
    faults: all(/sim `([^`]+)`/g),
  };
}
