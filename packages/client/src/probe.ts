/** Looks at a Redis: connects, asks who it is, and closes. */
import { preflight, type PreflightOptions } from "./preflight.ts";
import type { ProbeTools } from "./types.ts";

export function probeTools(options: PreflightOptions): ProbeTools {
  return {
    async probe(address, signal) {
      const { socket, proof } = await preflight(address, options, signal);
      socket.destroy();
      return proof;
    },
  };
}
