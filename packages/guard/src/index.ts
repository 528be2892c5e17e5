/**
 * What others need of the guard: the lines that it exchanges with the sidecar, and where the script
 * lies. The script itself does not use this package.
 */
import { fileURLToPath } from "node:url";

export * from "./files.ts";

/** Absolute path of the guard, for `sh <path> [-- command...]`. */
export const GUARD_SCRIPT = fileURLToPath(new URL("redis.sh", import.meta.url));
