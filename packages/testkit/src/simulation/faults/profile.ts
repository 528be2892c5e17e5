/** What kind of trouble a seed is about, and how dense it comes. */
import type { OptionsWish } from "../options.ts";

export interface Profile {
  readonly name: string;
  readonly weight: number;
  readonly wish: OptionsWish;
  /** How long faults begin, shortest and longest. */
  readonly faultsMs: readonly [number, number];
  /** Mean time from the begin of one fault to the next. */
  readonly gapMs: number;
  readonly togetherMax: number;
  readonly faults: Readonly<Record<string, number>>;
}

export const CALM = { faultsMs: [25_000, 45_000], gapMs: 9_000, togetherMax: 1 } as const;
export const ROUGH = { faultsMs: [30_000, 55_000], gapMs: 3_500, togetherMax: 2 } as const;
