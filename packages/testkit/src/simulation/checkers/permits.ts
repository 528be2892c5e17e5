/** The guard's part: a Redis that accepts writes has a permit that runs, or it is killed. */
import { Checker } from "./checker.ts";

/** One poll of the guard (250 ms), what a poll takes, and clocks that run 2 % off. */
const GRACE_MS = 360;

export class Permits extends Checker {
  readonly name = "permit";
  readonly promise = "A Redis accepts writes only under a permit, or 0.35 s after its deadline.";

  override sampled(): void {
    for (const pod of this.world.pods) {
      const { redis } = pod;
      if (redis === null || !redis.isWritable()) continue;
      if (this.world.exemptUntil(redis) > this.world.clock.nowMs) continue;
      const { permit } = pod.tmpfs;
      if (permit === null || permit.kind === "follow") {
        this.broken(`${pod.label} accepts writes with permit ${permit?.kind ?? "none"}`);
        return;
      }
      const lateMs = pod.machine.instant().bootMs - permit.deadlineBootMs;
      if (lateMs > GRACE_MS) {
        this.broken(`${pod.label} accepts writes ${lateMs.toFixed(0)} ms after its permit`);
        return;
      }
    }
  }
}
