/**
 * The protocol, broken on purpose, one rule at a time. A checker that none of these makes speak
 * is no checker; a rule whose mutant nobody notices is not tested.
 *
 * `find` must occur exactly once in its file, else the run fails: a mutant that does not apply
 * proves nothing. Files are relative to `packages/`; those of the simulation stand for what an
 * adapter, the runtime or the guard could do wrong.
 */
import { COPIES } from "./mutants/copies.ts";
import { FAILOVERS } from "./mutants/failovers.ts";
import { FENCES } from "./mutants/fences.ts";
import { LEASE } from "./mutants/lease.ts";
import { MOVING_IN } from "./mutants/moving-in.ts";
import { PROMISES } from "./mutants/promises.ts";
import { SWITCHOVERS } from "./mutants/switchovers.ts";
import type { Mutant } from "./mutants/mutant.ts";

export type { Mutant } from "./mutants/mutant.ts";

export const MUTANTS: readonly Mutant[] = [
  ...LEASE,
  ...FENCES,
  ...COPIES,
  ...MOVING_IN,
  ...SWITCHOVERS,
  ...FAILOVERS,
  ...PROMISES,
];
