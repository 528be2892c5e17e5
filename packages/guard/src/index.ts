import { fileURLToPath } from "node:url";

export * from "./files.ts";

/** Absolute path of the guard, for `sh <path> [-- command...]`. */
export const GUARD_SCRIPT = fileURLToPath(new URL("redis.sh", import.meta.url));
