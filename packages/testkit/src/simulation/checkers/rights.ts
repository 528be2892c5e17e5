/** The Lease's part: no two processes believe at the same instant that they may lead. */
import type { MemberEvent } from "@leasehold/replication";
import type { Sidecar } from "../pod/sidecar.ts";
import { Checker } from "./checker.ts";

/** Only these can start or extend a right. */
const GRANTS = new Set<MemberEvent["type"]>(["leaseWritten", "leaseRead", "promiseAnswered"]);

export class Rights extends Checker {
  readonly name = "one right";
  readonly promise = "At most one process has a valid right to lead at any instant.";

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
}
