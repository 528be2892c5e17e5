/** Where each Redis of the group finds the relay of its own sidecar, on its own loopback. */
import type { RedisAddress } from "@leasehold/replication";

export const RELAY: RedisAddress = { host: "127.0.0.1", port: 20_000 };
