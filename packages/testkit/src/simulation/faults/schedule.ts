/** Lets the faults of a profile happen, and ends them all. */
import type { Random } from "../../random.ts";
import type { Timer } from "../../virtual-clock.ts";
import type { World } from "../world.ts";
import { API_FAULTS } from "./api-faults.ts";
import type { Fault } from "./fault.ts";
import { NODE_FAULTS } from "./node-faults.ts";
import { OPERATOR_FAULTS } from "./operator-faults.ts";
import { PROCESS_FAULTS } from "./process-faults.ts";
import type { Profile } from "./profile.ts";
import { SEQUENCE_FAULTS } from "./sequence-faults.ts";
import { SOURCE_FAULTS } from "./source-faults.ts";
import { TRAP_FAULTS } from "./trap-faults.ts";

const ALL: readonly Fault[] = [
  ...API_FAULTS,
  ...PROCESS_FAULTS,
  ...NODE_FAULTS,
  ...OPERATOR_FAULTS,
  ...SEQUENCE_FAULTS,
  ...TRAP_FAULTS,
  ...SOURCE_FAULTS,
];
const FAULTS: ReadonlyMap<string, Fault> = new Map(ALL.map((fault) => [fault.name, fault]));

export function faultNamed(name: string): Fault {
  const fault = FAULTS.get(name);
  if (fault === undefined) throw new Error(`no fault is called "${name}": see faults/*-faults.ts`);
  return fault;
}

export class Schedule {
  private readonly world: World;
  private readonly random: Random;
  private readonly open = new Set<() => void>();
  private next: Timer | null = null;

  constructor(world: World, random: Random) {
    this.world = world;
    this.random = random;
  }

  start(profile: Profile, untilMs: number): void {
    const choices = Object.entries(profile.faults).map(
      ([name, weight]) => [weight, faultNamed(name)] as const,
    );
    const step = (): void => {
      if (this.world.clock.nowMs >= untilMs) return;
      if (this.open.size < profile.togetherMax) this.inflict(this.random.weighted(choices));
      const gapMs = 100 + this.random.exponential(profile.gapMs);
      this.next = this.world.clock.after(gapMs, step);
    };
    step();
  }

  /** Begins a fault now; it ends by itself after a drawn time, or after `lengthMs`. */
  inflict(fault: Fault, lengthMs?: number): void {
    const { world, random } = this;
    const effect = fault.begin(world, random);
    if (effect === null) return;
    world.log("fault", effect.words);
    const touch = world.faults.begin(effect.who, world.clock.nowMs, effect);
    const end = (): void => {
      if (!this.open.delete(end)) return;
      world.faults.end(touch, world.clock.nowMs, fault.aftermathMs);
      if (effect.end === undefined) return;
      world.log("fault", `ends: ${effect.words}`);
      effect.end();
    };
    this.open.add(end);
    const [shortest, longest] = fault.lengthMs;
    world.clock.after(lengthMs ?? random.between(shortest, longest), end);
  }

  /** From here on nothing goes wrong any more. */
  stop(): void {
    this.world.clock.cancel(this.next);
    for (const end of [...this.open]) end();
    const { store } = this.world;
    store.setControl({ ...store.control, paused: false });
    this.world.log("fault", "all faults end");
  }
}
