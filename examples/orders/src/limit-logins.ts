/**
 * Five tries to log in a minute, counted in Redis for all processes together. While there is no
 * leader each process counts for itself: nobody waits for long, and nobody tries without end.
 */
import type { Leasehold } from "@leasehold/client";
import type { RequestHandler } from "express";
import { RateLimiterMemory, RateLimiterRedis } from "rate-limiter-flexible";
import { textOf } from "./text-of.ts";

const LIMIT = { points: 5, duration: 60 };

export function limitLogins(client: Leasehold): RequestHandler {
  const limiter = new RateLimiterRedis({
    ...LIMIT,
    keyPrefix: "logins",
    storeClient: client.connection({ timeoutMs: 2_000 }),
    insuranceLimiter: new RateLimiterMemory(LIMIT),
  });
  return async (request, response, next) => {
    const isAllowed = await limiter.consume(textOf(request.body, "user")).then(
      () => true,
      () => false,
    );
    if (isAllowed) next();
    else response.status(429).end();
  };
}
