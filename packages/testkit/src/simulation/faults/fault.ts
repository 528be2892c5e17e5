/** One kind of trouble: what it does to the world, whom it touches, and how it ends. */
import type { Random } from "../../random.ts";
import type { Pod } from "../pod/pod.ts";
import type { World } from "../world.ts";

export interface Effect {
  /** Members touched, or "api". */
  readonly who: readonly string[];
  readonly words: string;
  /** True if only processes and disks suffer, and the network stays whole. */
  readonly isLocal?: boolean;
  /** True if processes alone ended, and every disk has what was written to it. */
  readonly keepsFiles?: boolean;
  end?(): void;
}

export interface Fault {
  readonly name: string;
  /** Shortest and longest; [0, 0]: an instant. */
  readonly lengthMs: readonly [number, number];
  /** After its end, until the member is what it was before. */
  readonly aftermathMs: number;
  /** Null: not possible now. */
  begin(world: World, random: Random): Effect | null;
}

/** A pod of the group that exists, on a machine with power; the leader's as often as all others. */
export function pickPod(world: World, random: Random): Pod | null {
  const pods = world.livePods().filter((pod) => pod.machine.powered && !pod.machine.frozen);
  if (pods.length === 0) return null;
  const leader = leaderOf(world);
  if (leader !== null && pods.includes(leader) && random.chance(0.5)) return leader;
  return random.pick(pods);
}

/** The pod whose Redis is primary, or that the Lease names. */
export function leaderOf(world: World): Pod | null {
  const primary = world.livePods().find((pod) => pod.redis?.isWritable());
  if (primary !== undefined) return primary;
  const holder = world.store.lease?.record.holder ?? null;
  return holder === null ? null : world.podOfIdentity(holder);
}

export function instant(
  name: string,
  aftermathMs: number,
  begin: (world: World, random: Random) => Effect | null,
): Fault {
  return { name, lengthMs: [0, 0], aftermathMs, begin };
}
