/** The guard's part: a Redis that accepts writes has a permit that runs, or it is killed. */
import type { Pod } from "../pod/pod.ts";
import type { RedisServer } from "../redis/server.ts";
import { Checker } from "./checker.ts";

/** One poll of the guard (250 ms), what a poll takes, and clocks that run 2 % off. */
const GRACE_MS = 360;

export class Permits extends Checker {
  readonly name = "permit";
  readonly promise =
    "A Redis is primary only under a `lead` permit, and is killed 0.35 s after its deadline.";

  override redisChanged(server: RedisServer): void {
    this.checkKind(this.world.podOf(server));
  }

  override permitWritten(pod: Pod): void {
    this.checkKind(pod);
  }

  override sampled(): void {
    for (const pod of this.world.pods) {
      const { redis } = pod;
      if (redis === null || !redis.isWritable()) continue;
      if (this.world.exemptUntil(redis) > this.world.clock.nowMs) continue;
      const { permit } = pod.tmpfs;
      if (permit?.kind !== "lead") continue;
      const lateMs = pod.machine.instant().bootMs - permit.deadlineBootMs;
      if (lateMs <= GRACE_MS) continue;
      this.broken(`${pod.label} accepts writes ${lateMs.toFixed(0)} ms after its permit`);
      return;
    }
  }

  private checkKind(pod: Pod): void {
    const { redis } = pod;
    const { permit } = pod.tmpfs;
    if (redis === null || !redis.alive || redis.role !== "primary") return;
    if (permit?.kind === "lead") return;
    this.broken(`${pod.label} is primary with permit ${permit?.kind ?? "none"}`);
  }
}
