/**
 * Who reaches whom. Cuts are one-way and counted, so faults may overlap.
 *
 * A message that meets a cut is lost, or kept and delivered after the heal: the late packet that
 * protocols forget. A stream (`isOpen` both ways) only waits: TCP retransmits.
 */
import type { Random } from "../random.ts";
import type { VirtualClock } from "../virtual-clock.ts";

interface Kept {
  readonly from: number;
  readonly to: number;
  readonly run: () => void;
}

const KEPT_MAX = 200;

export class Network {
  /** Chance that any message is lost, without a cut. */
  lossChance = 0;
  private readonly clock: VirtualClock;
  private readonly random: Random;
  private readonly cuts = new Map<number, number>();
  private readonly slow = new Map<number, number>();
  private kept: Kept[] = [];

  constructor(clock: VirtualClock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  isOpen(from: number, to: number): boolean {
    return from === to || this.cuts.size === 0 || !this.cuts.has(key(from, to));
  }

  /** Open in both directions, as a stream needs it. */
  isLinked(a: number, b: number): boolean {
    return this.isOpen(a, b) && this.isOpen(b, a);
  }

  cut(from: number, to: number): void {
    this.cuts.set(key(from, to), (this.cuts.get(key(from, to)) ?? 0) + 1);
  }

  heal(from: number, to: number): void {
    const left = (this.cuts.get(key(from, to)) ?? 0) - 1;
    if (left > 0) {
      this.cuts.set(key(from, to), left);
      return;
    }
    this.cuts.delete(key(from, to));
    const released = this.kept.filter((message) => this.isOpen(message.from, message.to));
    this.kept = this.kept.filter((message) => !this.isOpen(message.from, message.to));
    for (const message of released) {
      this.clock.after(this.random.between(0, 1_500), message.run);
    }
  }

  /** Adds `extraMs` to each delivery in this direction; 0 ends it. */
  delay(from: number, to: number, extraMs: number): void {
    if (extraMs > 0) this.slow.set(key(from, to), extraMs);
    else this.slow.delete(key(from, to));
  }

  latencyMs(from: number, to: number): number {
    if (from === to) return 0.05;
    const base = this.random.between(0.15, 0.8);
    const spike = this.random.chance(0.004) ? this.random.between(5, 210) : 0;
    const extra = this.slow.size === 0 ? 0 : (this.slow.get(key(from, to)) ?? 0);
    return base + spike + extra * this.random.between(0.7, 1.3);
  }

  /** Runs `arrive` at the other end, unless the message is lost. */
  send(from: number, to: number, arrive: () => void): void {
    if (!this.isOpen(from, to)) {
      if (this.kept.length < KEPT_MAX && this.random.chance(0.3)) {
        this.kept.push({ from, to, run: arrive });
      }
      return;
    }
    if (this.lossChance > 0 && from !== to && this.random.chance(this.lossChance)) return;
    this.clock.after(this.latencyMs(from, to), arrive);
  }
}

function key(from: number, to: number): number {
  return from * 64 + to;
}
