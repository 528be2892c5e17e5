/** A handler that fails within the request's own time, and says what happened. */
import { outcomeOf, type Leasehold } from "@leasehold/client";
import type { RequestHandler } from "express";

export function countVisits(client: Leasehold): RequestHandler {
  const counter = client.withOptions({ timeoutMs: 800 });
  return async (_request, response) => {
    try {
      response.json({ visits: await counter.incr("visits") });
    } catch (error) {
      // 503: it was not counted, and will not be. 500: it may have been counted, once.
      response.status(outcomeOf(error) === "not-applied" ? 503 : 500).end();
    }
  };
}
