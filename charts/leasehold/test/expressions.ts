/** Reads PromQL as far as it is used here: every selector has braces. */

/** Metrics, the series of a histogram by its own name. */
export function metricNamesIn(expr: string): readonly string[] {
  return [...expr.matchAll(/([a-zA-Z_:][\w:]*)\{/g)].map(([, name = ""]) =>
    name.replace(/_(bucket|sum|count)$/, ""),
  );
}
