/** Binding ports, also one that a frozen predecessor still holds. */
import type { Server } from "node:net";
import { pause } from "./bounded.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const RETRY_MS = 100;

/**
 * Binds, waiting for the port to become free: a predecessor that is frozen, and may wake up,
 * still holds it. Rejects with the system's error after `timeoutMs`, or at once if it is another.
 */
export async function listenPatiently(
  server: Server,
  endpoint: Endpoint,
  timeoutMs: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await listen(server, endpoint);
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
      if (!isTaken || performance.now() >= deadline) throw error;
      await pause(RETRY_MS);
    }
  }
}

function listen(server: Server, { host, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}
