/**
 * Progress: once faults have ended, the group is whole again within a bound: one leader that the
 * Lease, the slice and every proxy name, and every other member in sync with it.
 */
import { writesIn } from "../redis/history.ts";
import type { Pod } from "../pod/pod.ts";
import type { World } from "../world.ts";
import { copiesOf } from "./founder.ts";

export const PROGRESS_PROMISE =
  "Once faults end, the group has a leader and all members in sync within a bound.";

/** What is missing, in words; null: the group is whole. */
export function unrest(world: World): string | null {
  const pods = world.livePods();
  if (pods.length < world.store.replicas) return `${pods.length} pods of ${world.store.replicas}`;
  const writable = pods.filter((pod) => pod.redis?.isWritable());
  const [leader] = writable;
  if (leader === undefined) return "nobody accepts writes";
  if (writable.length > 1) return "several accept writes";
  if (!leader.sidecar?.alive || world.store.lease?.record.holder !== leader.sidecar.identity) {
    return `the Lease names ${world.store.lease?.record.holder ?? "nobody"}`;
  }
  if (world.store.slice?.address?.host !== leader.host) return "the slice names another";
  const proxy = world.proxies.find((candidate) => candidate.target?.host !== leader.host);
  if (proxy !== undefined) return "a proxy sends elsewhere";
  for (const pod of pods) {
    if (pod === leader) continue;
    const missing = outOfSync(pod, leader);
    if (missing !== null) return missing;
  }
  return null;
}

function outOfSync(pod: Pod, leader: Pod): string | null {
  const { redis } = pod;
  if (redis === null || !redis.isRunning()) return `Redis of ${pod.label} does not run`;
  if (!pod.sidecar?.alive) return `sidecar of ${pod.label} does not run`;
  if (redis.loading || redis.upstream?.host !== leader.host) {
    return `${pod.label} does not follow ${leader.label}`;
  }
  if (!redis.isLinkUp) return `${pod.label} has no link`;
  if (redis.replid !== leader.redis?.replid) return `${pod.label} has another replid`;
  return pod.sidecar.status().inSync ? null : `${pod.label} does not call itself in sync`;
}

/**
 * Nobody on the list has the group's data any more, or only what came of a cut full sync, or a
 * member was scaled away while nobody led; or, after a cutover, those on the list that are left
 * have less than one who is not on it: that nobody leads then is right, an operator decides.
 */
export function isHopeless(world: World): boolean {
  const hasAcknowledged = world.ledger.writes.some((write) => write.acknowledgedMs >= 0);
  // By the Lease, or a promotion where that is deleted, the source's data is the group's.
  const isTold = (world.store.lease?.record.lineage ?? []).length > 0;
  const hasMoved = world.source !== null && (isTold || world.judge.promotions > 0);
  if (!hasAcknowledged && !hasMoved) return false;
  const holders = world
    .livePods()
    .filter((pod) => copiesOf(pod).some((copy) => writesIn(copy) > 0));
  const known = listInForce(world);
  const scaledAway = known.some(
    (name) => Number(name.slice(name.lastIndexOf("-") + 1)) >= world.store.replicas,
  );
  if (scaledAway) return true;
  const able = holders.filter((pod) => {
    const isCut = pod.volume.record?.syncing === true && !pod.redis?.isLinkUp;
    return !isCut && (known.length === 0 || known.includes(pod.name));
  });
  const isBetter = (pod: Pod): boolean => able.every((one) => mostWrites(one) < mostWrites(pod));
  if (hasMoved && holders.some((pod) => isBetter(pod))) return true;
  if (able.length > 0) return false;
  // Without persistence an empty group starts anew by itself.
  return world.options.mode !== "none" || holders.length > 0;
}

function mostWrites(pod: Pod): number {
  return Math.max(0, ...copiesOf(pod).map((copy) => writesIn(copy)));
}

/**
 * Where the Lease is gone, or an older one was restored by hand, the members' records name a newer
 * list (seeds 1010152, 16018817).
 */
function listInForce(world: World): readonly string[] {
  const lease = world.store.lease?.record;
  const records = world.livePods().flatMap(({ volume }) => volume.record ?? []);
  const newest = Math.max(...records.map(({ epoch }) => epoch));
  if (lease && lease.epoch >= newest) return Object.keys(lease.members);
  return records.filter(({ epoch }) => epoch === newest).flatMap(({ members }) => members ?? []);
}
