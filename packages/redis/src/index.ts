export type { RedisEndpoint, RedisServerOptions } from "./options.ts";
export { createRedisAdmin, type AdminOutcome, type RedisAdmin } from "./redis-admin.ts";
export { createRedisServer } from "./redis-server.ts";
export { createRedisSource, type RedisSource } from "./redis-source.ts";
