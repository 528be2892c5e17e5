/** What a bench has found, for people and for programs. Pure. */

export interface Report {
  /** One JSON document each. */
  readonly rows: readonly object[];
  /** For people. */
  readonly text: string;
  /** Promises that were not kept, in words; none: all were. */
  readonly broken: readonly string[];
}

export function markdown(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(columns), line(columns.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Of an even number: the greater of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
