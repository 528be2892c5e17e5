export type { RedisEndpoint, RedisServerOptions } from "./options.ts";
export { createRedisServer } from "./redis-server.ts";
