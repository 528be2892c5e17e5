/** The secrets in use now, for whoever proves something with them. Asked anew each time. */
import type { RedisServerOptions } from "@leasehold/redis";
import type { RedisAccess } from "../files/redis-conf.ts";
import type { Settings } from "../settings/schema.ts";
import type { Secrets } from "./secrets.ts";

export interface Keyring {
  /** Newest first. */
  peerKeys(): readonly Buffer[];
  /** What redis.conf must say. */
  redisAccess(): RedisAccess;
  /** Who the sidecar is for its Redis. */
  readonly login: Pick<RedisServerOptions, "username" | "password" | "streamAs">;
}

/** Without auth.enabled: the same secrets for as long as the sidecar runs. */
export function fixedKeyring(settings: Settings, secrets: Secrets): Keyring {
  const { peerKey, redisPassword } = secrets;
  return {
    peerKeys: () => [peerKey],
    redisAccess: () => ({ password: redisPassword }),
    login: { username: settings.redis.username, password: redisPassword },
  };
}
