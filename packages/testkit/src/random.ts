/**
 * The one source of chance in a simulated run: sfc32, seeded. The same seed draws the same
 * numbers on every machine. Not for secrets.
 */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter: number;

  constructor(seed: number) {
    let state = seed >>> 0;
    const mix = (): number => {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) | 0;
    };
    this.a = mix();
    this.b = mix();
    this.c = mix();
    this.counter = 1;
    for (let i = 0; i < 12; i += 1) this.bits();
  }

  /** 32 random bits. */
  bits(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (this.c << 21) | (this.c >>> 11);
    this.c = (this.c + sum) | 0;
    return sum >>> 0;
  }

  /** In [0, 1). */
  unit(): number {
    return this.bits() / 0x1_0000_0000;
  }

  /** In [low, high). */
  between(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  /** A whole number from low to high, both included. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  /** Mostly near the mean, seldom far above it; at most ten times the mean. */
  exponential(mean: number): number {
    return Math.min(-Math.log(1 - this.unit()) * mean, mean * 10);
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error("Random.pick: the list is empty");
    return list[Math.floor(this.unit() * list.length)] as T;
  }

  /** Picks by weight. Weights are not negative and not all zero. */
  weighted<T>(choices: readonly (readonly [number, T])[]): T {
    let rest = this.unit() * choices.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, choice] of choices) {
      rest -= weight;
      if (rest < 0) return choice;
    }
    return (choices[choices.length - 1] as readonly [number, T])[1];
  }

  /** An own stream, so that one part's draws do not shift another's. */
  fork(): Random {
    return new Random(this.bits());
  }

  /** `length` characters of lower-case hex. */
  hex(length: number): string {
    let text = "";
    while (text.length < length) text += this.bits().toString(16).padStart(8, "0");
    return text.slice(0, length);
  }
}
