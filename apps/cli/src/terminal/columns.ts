/** Left-aligned columns, two blanks apart. */

/** One line per row; a column is as wide as its widest cell, and at least as `leastWidths` says. */
export function alignColumns(
  rows: readonly (readonly string[])[],
  leastWidths: readonly number[] = [],
): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(leastWidths[column] ?? 0, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
