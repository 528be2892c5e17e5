/**
 * Loopback addresses for one group: the whole of 127.0.0.0/8 is local on Linux, so each member
 * has its own host and all use the same ports, as pods do.
 */
import { createServer } from "node:net";
import { randomInt } from "node:crypto";
import type { PodAddress } from "./pod-network.ts";

const FIRST_POD = 10;
const FIRST_REAL = 110;
const TRIES = 50;

/** A free pair of addresses for each of `count` members (at most 7). Throws if none is found. */
export async function pickAddresses(count: number): Promise<readonly PodAddress[]> {
  for (let tried = 0; tried < TRIES; tried += 1) {
    const network = `127.${randomInt(1, 255)}.${randomInt(0, 256)}`;
    if (await isFree(`${network}.${FIRST_POD}`)) {
      return Array.from({ length: count }, (_, ordinal) => ({
        podHost: `${network}.${FIRST_POD + ordinal}`,
        realHost: `${network}.${FIRST_REAL + ordinal}`,
      }));
    }
  }
  throw new Error(`found no free loopback network in ${TRIES} tries: is 127.0.0.0/8 local here?`);
}

/** The first pod's Redis port stands for the whole network: each group binds it first. */
function isFree(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(PORTS.redis, host, () => server.close(() => resolve(true)));
  });
}

export const PORTS = { redis: 6379, http: 8008, peers: 8009, sentinel: 26_379 } as const;
