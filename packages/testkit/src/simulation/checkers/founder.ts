/** Who has nothing, or something else, does not lead over those who have the group's data. */
import { isForeign, writesIn, type Point } from "../redis/history.ts";
import type { RedisServer } from "../redis/server.ts";
import { Checker } from "./checker.ts";

export class Founder extends Checker {
  readonly name = "founder";
  readonly promise = "An empty member, or one of another lineage, never leads over existing data.";

  override promoted(server: RedisServer): void {
    if (isForeign(server.head)) {
      this.broken(`${server.site.label} leads with another group's data`);
      return;
    }
    if (writesIn(server.head) > 0) return;
    for (const pod of this.world.pods) {
      if (pod.redis === server || pod.gone || pod.isDisowned) continue;
      const copies: (Point | null)[] = [pod.volume.data];
      if (pod.redis?.alive && !pod.redis.loading) copies.push(pod.redis.head);
      const most = Math.max(...copies.map((copy) => (copy === null ? 0 : writesIn(copy))));
      if (most === 0) continue;
      this.broken(`${server.site.label} leads empty while ${pod.label} has ${most} writes`);
      return;
    }
  }
}
