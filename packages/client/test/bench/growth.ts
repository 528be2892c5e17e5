/** Whether a series of samples grows, or only moves. Pure. */
import { medianOf } from "./report.ts";

export interface Growth {
  readonly from: number;
  readonly to: number;
}

/** The first quarter is warming up; of the rest the first third is compared with the last. */
export function growthOf(samples: readonly number[]): Growth {
  const rest = samples.slice(Math.floor(samples.length / 4));
  const third = Math.max(1, Math.floor(rest.length / 3));
  return { from: medianOf(rest.slice(0, third)), to: medianOf(rest.slice(-third)) };
}
