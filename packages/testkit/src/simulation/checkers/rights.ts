/**
 * The Lease's part: no two processes believe at the same instant that they may lead, and whoever
 * may not lead any more stops its Redis long before the guard has to.
 */
import type { MemberEvent } from "@leasehold/replication";
import type { Pod } from "../pod/pod.ts";
import type { Sidecar } from "../pod/sidecar.ts";
import { Checker } from "./checker.ts";

/** Only these can start or extend a right. */
const GRANTS = new Set<MemberEvent["type"]>(["leaseWritten", "leaseRead", "promiseAnswered"]);

/** Samples, ten a second: a demotion that Redis refuses ends in a kill by then. */
const STOP_SAMPLES = 7;

export class Rights extends Checker {
  readonly name = "one right";
  readonly promise =
    "At most one process has a valid right to lead at any instant, and writes end with it.";
  private readonly overdue = new Map<Pod, number>();

  override decided(sidecar: Sidecar, event: MemberEvent): void {
    if (!GRANTS.has(event.type) || !sidecar.alive) return;
    if (sidecar.status().validMs <= 0) return;
    for (const pod of this.world.pods) {
      const other = pod.sidecar;
      if (other === null || other === sidecar || !other.alive) continue;
      if (pod.isDisowned || sidecar.pod.isDisowned) continue;
      const { validMs } = other.status();
      if (validMs <= 0) continue;
      this.broken(
        `${sidecar.pod.label} gained a right while that of ${pod.label} runs for ` +
          `${validMs.toFixed(0)} ms more`,
      );
      return;
    }
  }

  override sampled(): void {
    for (const pod of this.world.pods) {
      const count = this.isOverdue(pod) ? (this.overdue.get(pod) ?? 0) + 1 : 0;
      this.overdue.set(pod, count);
      if (count < STOP_SAMPLES) continue;
      this.broken(`${pod.label} accepts writes, and its sidecar runs without a right`);
      return;
    }
  }

  private isOverdue(pod: Pod): boolean {
    const { redis, sidecar } = pod;
    if (!redis?.isWritable() || !sidecar?.isRunning()) return false;
    // A demotion waits behind a script's silent second, longer than the guard.
    if (redis.isMute()) return false;
    // A restarted process may live on the permit of the one before it.
    if (pod.tmpfs.permit?.nonce !== sidecar.nonce) return false;
    return sidecar.status().validMs <= 0;
  }
}
