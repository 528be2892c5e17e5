/** Prints results: as a table for people, as one JSON row each for programs. */
import type { Result } from "./result.ts";

/** One JSON document per line, in the order of the fields in `Result`. */
export function renderJsonRows(results: readonly Result[]): string {
  return results.map((result) => `${JSON.stringify(result)}\n`).join("");
}

interface Column {
  readonly title: string;
  readonly align: "left" | "right";
  readonly cell: (result: Result) => string;
}

const COLUMNS: readonly Column[] = [
  { title: "act", align: "left", cell: (r) => r.name },
  { title: "write gap", align: "right", cell: (r) => formatMs(r.writeGapMs) },
  { title: "bound", align: "right", cell: (r) => formatBound(r.boundMs) },
  { title: "client errors", align: "right", cell: (r) => String(r.clientErrors) },
  { title: "acknowledged", align: "right", cell: (r) => String(r.acknowledged) },
  { title: "lost", align: "right", cell: (r) => String(r.lost) },
  { title: "writable at once", align: "right", cell: (r) => String(r.maxWritable) },
  { title: "held", align: "left", cell: (r) => (r.held ? "yes" : "NO") },
];

/** Before the last one, if anybody read. */
const READ_COLUMNS: readonly Column[] = [
  { title: "read gap", align: "right", cell: ({ reads }) => (reads ? formatMs(reads.gapMs) : "-") },
  { title: "read errors", align: "right", cell: ({ reads }) => String(reads?.errors ?? "-") },
  {
    title: "oldest read",
    align: "right",
    cell: ({ reads }) => (reads ? formatMs(reads.oldestMs) : "-"),
  },
];

/** Ends with a line break. */
export function renderTable(results: readonly Result[]): string {
  const read = results.some(({ reads }) => reads !== undefined) ? READ_COLUMNS : [];
  const columns = [...COLUMNS.slice(0, -1), ...read, ...COLUMNS.slice(-1)];
  const rows = [
    columns.map((column) => column.title),
    ...results.map((result) => columns.map((column) => column.cell(result))),
  ];
  const widths = columns.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const lines = rows.map((row) =>
    columns
      .map((column, i) => pad(row[i] ?? "", widths[i] ?? 0, column.align))
      .join("  ")
      .trimEnd(),
  );
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [lines[0], rule, ...lines.slice(1), ""].join("\n");
}

/** "84 ms", "5.31 s". */
export function formatMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function formatBound(boundMs: number): string {
  return boundMs === 0 ? "no error" : formatMs(boundMs);
}

function pad(text: string, width: number, align: "left" | "right"): string {
  return align === "left" ? text.padEnd(width) : text.padStart(width);
}
