/** All acts, in the order in which they are played. */
import { API_FAULTS } from "./api.ts";
import type { Act } from "./act.ts";
import { FAULTS } from "./faults.ts";
import { PLANNED } from "./planned.ts";

export type { Act } from "./act.ts";

export const ACTS: readonly Act[] = [...PLANNED, ...FAULTS, ...API_FAULTS];
