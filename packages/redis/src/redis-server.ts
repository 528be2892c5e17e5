/**
 * The own Redis as the runtime sees it: two probe connections and one role connection.
 *
 * Guarantees: all three are opened before they are needed and replaced when they are lost; no
 * call rejects, and each ends within its deadline. Decides nothing: what an answer means for the
 * lead is the core's business.
 */
import type { RedisServer } from "@leasehold/replication";
import { requestStream } from "./backlog.ts";
import { PROBE_NAME, ROLE_NAME } from "./client-list.ts";
import { openConnection, type Opening } from "./connection.ts";
import type { RedisServerOptions } from "./options.ts";
import { createProbe } from "./probe.ts";
import { createRoleConnection } from "./role-connection.ts";

/** For connections that nobody waits for yet. */
const OPEN_DEADLINE_MS = 1_000;

export function createRedisServer(options: RedisServerOptions): RedisServer {
  const listeners: (() => void)[] = [];
  const onClosed = (): void => listeners.forEach((listener) => listener());
  const open = (name: string, deadlineMs: number, closed: () => void): Promise<Opening> =>
    openConnection(options, { name, deadlineMs, onClosed: closed });

  const probe = createProbe({
    endpoint: options,
    open: (closed) => open(PROBE_NAME, OPEN_DEADLINE_MS, closed),
    onClosed,
  });
  const role = createRoleConnection({
    requestStream: () => requestStream({ ...options, ...options.streamAs }),
    open: (closed, deadlineMs) => open(ROLE_NAME, deadlineMs, closed),
    onClosed,
  });
  return {
    async probe(deadlineMs) {
      const observation = await probe.probe(deadlineMs);
      if (observation.kind === "answered") role.warm();
      return observation;
    },
    offset: (deadlineMs) => probe.offset(deadlineMs),
    role: (command, process, deadlineMs) => role.run(command, process, deadlineMs),
    onClosed(listener) {
      listeners.push(listener);
    },
    close() {
      probe.close();
      role.close();
      return Promise.resolve();
    },
  };
}
