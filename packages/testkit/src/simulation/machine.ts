/**
 * A node: clocks of its own, and the power to stop everything that runs on it.
 *
 * Guarantees: its two clocks run at one rate that differs from true time by at most what the
 * world drew (±2 %); during a suspend the monotonic clock stands still and boot time goes on;
 * a reboot starts both anew. Nobody else may read `VirtualClock.nowMs` to decide anything.
 */
import type { Instant } from "@leasehold/election";
import type { VirtualClock } from "../virtual-clock.ts";

export class Machine {
  readonly name: string;
  /** Index in the network. */
  readonly address: number;
  powered = true;
  frozen = false;
  private readonly clock: VirtualClock;
  private readonly rate: number;
  private suspended = false;
  private markMs: number;
  private monotonicAtMark: number;
  private bootAtMark: number;

  constructor(
    clock: VirtualClock,
    site: { readonly name: string; readonly address: number },
    clocks: { readonly rate: number; readonly uptimeMs: number },
  ) {
    this.name = site.name;
    this.address = site.address;
    this.clock = clock;
    this.rate = clocks.rate;
    this.markMs = clock.nowMs;
    this.monotonicAtMark = clocks.uptimeMs;
    this.bootAtMark = clocks.uptimeMs;
  }

  instant(): Instant {
    const elapsedMs = (this.clock.nowMs - this.markMs) * this.rate;
    return {
      monotonicMs: this.monotonicAtMark + (this.suspended ? 0 : elapsedMs),
      bootMs: this.bootAtMark + elapsedMs,
    };
  }

  /** True milliseconds that pass while this machine counts `localMs`. */
  trueMs(localMs: number): number {
    return localMs / this.rate;
  }

  /** Stops everything. `suspend`: its monotonic clock stops too. */
  freeze(suspend: boolean): void {
    this.mark();
    this.frozen = true;
    this.suspended = suspend;
  }

  thaw(): void {
    this.mark();
    this.frozen = false;
    this.suspended = false;
  }

  powerOff(): void {
    this.powered = false;
  }

  /** A new life: clocks near zero. */
  powerOn(): void {
    this.powered = true;
    this.frozen = false;
    this.suspended = false;
    this.markMs = this.clock.nowMs;
    this.monotonicAtMark = 1_000;
    this.bootAtMark = 1_000;
  }

  private mark(): void {
    const now = this.instant();
    this.markMs = this.clock.nowMs;
    this.monotonicAtMark = now.monotonicMs;
    this.bootAtMark = now.bootMs;
  }
}
