/**
 * Sessions of Express. connect-redis 8 is the last version that takes an ioredis; from 9 on it
 * wants node-redis, and writes nonsense through any other.
 *
 * `disableTouch`: a request that changes nothing in its session writes nothing, so a change of
 * leader does not fail it. A session then ends when it is over, whether it was used or not.
 */
import type { Leasehold } from "@leasehold/client";
import { RedisStore } from "connect-redis";
import type { RequestHandler } from "express";
import session from "express-session";

declare module "express-session" {
  interface SessionData {
    user: string;
  }
}

export function keepSessions(client: Leasehold, secret: string): RequestHandler {
  return session({
    store: new RedisStore({
      client: client.connection({ timeoutMs: 5_000 }),
      disableTouch: true,
      ttl: 86_400,
    }),
    secret,
    resave: false,
    saveUninitialized: false,
  });
}
