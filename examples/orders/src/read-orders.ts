/** Who placed an order sees it at once; whoever watches orders may read any copy. */
import type { Leasehold } from "@leasehold/client";
import type { RequestHandler } from "express";

/** Reads what was written: an acknowledged order is there. */
export function showOwnOrder(client: Leasehold): RequestHandler<{ id: string }> {
  return async ({ params: { id } }, response) => {
    const item = await client.leader.hget(`order:${id}`, "item");
    if (item === null) response.status(404).end();
    else response.json({ id, item });
  };
}

/** Spares the leader: what it says was true within the last five seconds. */
export function watchOrder(client: Leasehold): RequestHandler<{ id: string }> {
  const reads = client.withReadPreference({ mode: "replicaPreferred", maxStalenessMs: 5_000 });
  return async ({ params: { id } }, response) => {
    try {
      response.json({ id, isKnown: (await reads.exists(`order:${id}`)) === 1 });
    } catch {
      // Nobody fits, and nothing was changed: ask again.
      response.status(503).end();
    }
  };
}
