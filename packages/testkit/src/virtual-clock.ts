/**
 * Virtual time: a queue of what happens when. Single-threaded; what is due at the same instant
 * runs in the order in which it was scheduled, so a run depends on nothing but its inputs.
 */
export interface Timer {
  readonly atMs: number;
  readonly order: number;
  /** Null once cancelled or run. */
  run: (() => void) | null;
}

export class VirtualClock {
  nowMs = 0;
  /** How many timers ran: a measure of a run's cost. */
  ran = 0;
  private order = 0;
  private readonly heap: Timer[] = [];

  after(delayMs: number, run: () => void): Timer {
    const timer = { atMs: this.nowMs + Math.max(0, delayMs), order: this.order, run };
    this.order += 1;
    this.heap.push(timer);
    this.siftUp(this.heap.length - 1);
    return timer;
  }

  cancel(timer: Timer | null): void {
    if (timer) timer.run = null;
  }

  /** Runs all that is due until `untilMs` and leaves the clock there, unless `stop` says so. */
  runUntil(untilMs: number, stop: () => boolean = () => false): void {
    for (;;) {
      const next = this.heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.pop();
      if (next.run === null) continue;
      const run = next.run;
      next.run = null;
      this.nowMs = next.atMs;
      this.ran += 1;
      run();
      if (stop()) return;
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  private pop(): void {
    const last = this.heap.pop();
    if (last === undefined || this.heap.length === 0) return;
    this.heap[0] = last;
    this.siftDown();
  }

  private siftUp(start: number): void {
    const timer = this.heap[start] as Timer;
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = this.heap[parent] as Timer;
      if (isBefore(above, timer)) break;
      this.heap[index] = above;
      index = parent;
    }
    this.heap[index] = timer;
  }

  private siftDown(): void {
    const timer = this.heap[0] as Timer;
    const size = this.heap.length;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= size) break;
      const right = child + 1;
      if (right < size && isBefore(this.heap[right] as Timer, this.heap[child] as Timer)) {
        child = right;
      }
      const below = this.heap[child] as Timer;
      if (isBefore(timer, below)) break;
      this.heap[index] = below;
      index = child;
    }
    this.heap[index] = timer;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
