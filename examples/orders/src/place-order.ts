/**
 * Exactly what happened to an order, whatever becomes of the leader while it is placed.
 *
 * The customer's program chooses the id. So one order that is sent twice is there once, and a
 * write of unknown outcome can simply be sent again. `attempts` makes a write even of one that
 * finds the order there, since replicas confirm only what was written.
 */
import { outcomeOf, type Leasehold } from "@leasehold/client";

/**
 * `safe`: a second copy has it, and it survives the loss of the leader. `placed`: the leader has
 * it, and no replica said so in time. `refused`: it is not there. `unknown`: nobody can tell; ask
 * again with the same id.
 */
export type Receipt = "safe" | "placed" | "refused" | "unknown";

const ATTEMPTS = 3;

export async function placeOrder(client: Leasehold, id: string, item: string): Promise<Receipt> {
  const durable = client.withWriteConcern({ w: 2, wtimeoutMs: 1_000 });
  const key = `order:${id}`;
  let otherwise: Receipt = "refused";
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    try {
      await durable.multi().hsetnx(key, "item", item).hincrby(key, "attempts", 1).exec();
      return "safe";
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome === "applied") return "placed";
      if (outcome === "not-applied") return otherwise;
      otherwise = "unknown";
    }
  }
  return otherwise;
}
