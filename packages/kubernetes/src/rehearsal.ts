/**
 * The writes that a promotion needs, tried without changing anything, so that a right which was
 * taken away shows before the failover that needs it. It also leaves their way warm: the first
 * hand-over of a process is no slower than the next one.
 *
 * Guarantees: each write is a dry run *and* puts back exactly the version that was just read, with
 * its uid: a server that knows no dry runs changes nothing either. Never rejects.
 */
import { objectIn } from "./api/answer.ts";
import { sliceName } from "./names.ts";
import { objectPath } from "./paths.ts";
import { rightTo } from "./reading.ts";
import type { ApiClient } from "./api/client.ts";
import type { ApiObject } from "./api/object.ts";
import type { ResourceKind } from "./paths.ts";

interface Place {
  readonly kind: ResourceKind;
  readonly name: string;
}

/**
 * Resolves with the rights that were refused, as a Role would grant them
 * (`update leases.coordination.k8s.io`). What does not exist, or got no answer, is no finding.
 */
export async function rehearseWrites(
  client: ApiClient,
  group: string,
  deadlineMs: number,
): Promise<readonly string[]> {
  const places: readonly Place[] = [
    { kind: "leases", name: group },
    { kind: "endpointslices", name: sliceName(group, "IPv4") },
    { kind: "endpointslices", name: sliceName(group, "IPv6") },
  ];
  const refused = await Promise.all(places.map((place) => rehearse(client, place, deadlineMs)));
  return [...new Set(refused.filter((right) => right !== null))];
}

async function rehearse(
  client: ApiClient,
  { kind, name }: Place,
  deadlineMs: number,
): Promise<string | null> {
  const path = objectPath(kind, client.namespace, name);
  const read = await client.request({ method: "GET", path, deadlineMs });
  const object = objectIn(read, 200);
  if (!object) return null;
  const answer = await client.request({ ...dryRun(object), path, deadlineMs });
  const isForbidden = answer.kind === "answered" && answer.status === 403;
  return isForbidden ? rightTo("update", kind) : null;
}

function dryRun(body: ApiObject) {
  return { method: "PUT" as const, query: { dryRun: "All" }, body };
}
