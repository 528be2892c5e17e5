/**
 * Which members were touched by a fault, and when: the excuse for a loss that the protocol does
 * not promise to prevent.
 */
export interface Touch {
  /** Names of members, or "api". */
  readonly who: readonly string[];
  /** True if only processes and disks suffer: the ways to and from these members stay open. */
  readonly isLocal: boolean;
  /** True if processes alone ended, and every disk has what was written to it. */
  readonly keepsFiles: boolean;
  readonly fromMs: number;
  /** Infinity while it lasts. */
  toMs: number;
}

type Kind = Pick<Touch, "isLocal" | "keepsFiles">;

export class FaultLog {
  private readonly touches: Touch[] = [];

  begin(who: readonly string[], nowMs: number, kind: Partial<Kind> = {}): Touch {
    const { isLocal = false, keepsFiles = false } = kind;
    const touch: Touch = { who, isLocal, keepsFiles, fromMs: nowMs, toMs: Infinity };
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

  /** True if all that went wrong since `sinceMs` left every disk as it was. */
  keptFiles(sinceMs: number): boolean {
    return this.touches.every(
      ({ who, toMs, keepsFiles }) => keepsFiles || who.length === 0 || toMs < sinceMs,
    );
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
