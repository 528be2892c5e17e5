/**
 * Both clocks of the machine, read together. The only place of the sidecar that reads them.
 *
 * `process.hrtime` is CLOCK_MONOTONIC; `/proc/uptime` counts suspend, in steps of 10 ms. The
 * step makes an elapsed boot time up to 10 ms too long, which only makes a leader stop earlier.
 */
import { openSync, readSync } from "node:fs";
import type { Instant } from "@leasehold/election";

export type Clock = () => Instant;

/** Throws if `/proc/uptime` cannot be read: without it no leader could be bounded. */
export function openClock(): Clock {
  const uptime = openSync("/proc/uptime", "r");
  const buffer = Buffer.alloc(64);
  return () => {
    const length = readSync(uptime, buffer, 0, buffer.length, 0);
    const [seconds, nanoseconds] = process.hrtime();
    return {
      monotonicMs: seconds * 1_000 + nanoseconds / 1e6,
      bootMs: uptimeMs(buffer.toString("latin1", 0, length)),
    };
  };
}

/** `"708.76 1351.50\n"` → 708760. Throws on anything else. */
export function uptimeMs(text: string): number {
  const match = /^(\d+)\.(\d{2}) /.exec(text);
  if (!match) throw new Error(`/proc/uptime says ${JSON.stringify(text)}: not two numbers`);
  return Number(match[1]) * 1_000 + Number(match[2]) * 10;
}
