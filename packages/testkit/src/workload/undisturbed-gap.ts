/** The longest write gap that the group made, and not the machine on which the clients ran. */
import type { Standstills } from "./standstills.ts";
import type { GapMeter } from "./write-gap.ts";

/**
 * Milliseconds, without the time for which the clients' thread stood still within each gap: of two
 * gaps the shorter one may be the group's. Where the meter kept not all of them it is the longest,
 * whatever the thread did.
 */
export function undisturbedGapMs(
  meter: Pick<GapMeter, "longest" | "long" | "isFull">,
  standstills: Pick<Standstills, "within">,
  nowMs: number,
): number {
  const longest = meter.longest(nowMs);
  if (meter.isFull()) return longest.lengthMs;
  const lengthsMs = [...meter.long(), longest].map(
    ({ fromMs, lengthMs }) => lengthMs - standstills.within(fromMs, fromMs + lengthMs),
  );
  return Math.max(...lengthsMs);
}
