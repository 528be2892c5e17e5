/** Each `vi.waitFor` waits as long as `expect.poll` does by our configuration, not for a second. */
import { vi } from "vitest";
import { PATIENCE_MS } from "./patience.ts";

const { waitFor } = vi;
vi.waitFor = (callback, options) =>
  waitFor(callback, {
    timeout: PATIENCE_MS,
    ...(typeof options === "number" ? { timeout: options } : options),
  });
