/** Spans of time for people, as kubectl writes them. */

const STEPS = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
] as const;

/** How long ago that was by this machine's clock: `12s`, `5m`, `3h`, `2d`. */
export function formatAge(time: string, now: Date): string {
  const seconds = Math.max(0, (now.getTime() - Date.parse(time)) / 1000);
  if (Number.isNaN(seconds)) return "-";
  const step = STEPS.find(([, length]) => seconds >= 2 * length);
  if (step !== undefined) return `${Math.floor(seconds / step[1])}${step[0]}`;
  return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)}s`;
}

/** As it is given on the command line: `1h30m`, `500ms`. */
export function formatSpan(spanMs: number): string {
  const units = [
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
    ["ms", 1],
  ] as const;
  let left = spanMs;
  return units
    .map(([unit, lengthMs]) => {
      const count = Math.floor(left / lengthMs);
      left -= count * lengthMs;
      return count === 0 ? "" : `${count}${unit}`;
    })
    .join("");
}

/** `52 ms`, `1.20 s`; `-`: unknown. */
export function formatMs(spanMs: number | null): string {
  if (spanMs === null) return "-";
  return spanMs < 1_000 ? `${spanMs} ms` : `${(spanMs / 1_000).toFixed(2)} s`;
}
