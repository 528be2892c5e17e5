/**
 * Which members were touched by a fault, and when: the excuse for a loss that the protocol does
 * not promise to prevent.
 */
export interface Touch {
  /** Names of members, or "api". */
  readonly who: readonly string[];
  /** True if only processes and disks suffer: the ways to and from these members stay open. */
  readonly isLocal: boolean;
  readonly fromMs: number;
  /** Infinity while it lasts. */
  toMs: number;
}

export class FaultLog {
  private readonly touches: Touch[] = [];

  begin(who: readonly string[], nowMs: number, isLocal = false): Touch {
    const touch: Touch = { who, isLocal, fromMs: nowMs, toMs: Infinity };
    this.touches.push(touch);
    return touch;
  }

  /** `aftermathMs`: until the member is what it was before. */
  end(touch: Touch, nowMs: number, aftermathMs: number): void {
    touch.toMs = nowMs + aftermathMs;
  }

  /** Everybody with a fault that lasted into, or began in, the time since `sinceMs`. */
  touched(sinceMs: number): string[] {
    return this.named((touch) => touch.toMs >= sinceMs);
  }

  /** Of these, those to and from whom the ways were not open. */
  cutOff(sinceMs: number): string[] {
    return this.named((touch) => touch.toMs >= sinceMs && !touch.isLocal);
  }

  /** True if something went wrong anew after that instant. */
  hasBegunSince(sinceMs: number): boolean {
    return this.touches.some((touch) => touch.fromMs > sinceMs && touch.who.length > 0);
  }

  private named(matches: (touch: Touch) => boolean): string[] {
    const who = new Set<string>();
    for (const touch of this.touches) {
      if (matches(touch)) for (const name of touch.who) who.add(name);
    }
    return [...who];
  }

  get active(): number {
    return this.touches.filter((touch) => touch.toMs === Infinity).length;
  }
}
