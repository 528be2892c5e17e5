/**
 * The tmpfs that sidecar and guard share: permit and kill go to the guard, `status` comes from
 * it, `stop` and `stopped` belong to the preStop hook.
 *
 * Guarantees: permit and kill are written synchronously and by rename, so the order in which the
 * core asked for them is the order in which they hold; the permit is never unlinked. A change of
 * `status` or `stop` is seen within 0.65 s even where inotify does not work. A failed write
 * throws: the caller must not go on to the action that relied on it.
 */
import { existsSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";
import {
  formatKill,
  formatPermit,
  KILL_FILE,
  parsePermit,
  parseStatus,
  PERMIT_FILE,
  STATUS_FILE,
  STOP_FILE,
  STOPPED_FILE,
} from "@leasehold/guard";
import type { GuardObservation, Permit } from "@leasehold/replication";
import type { Clock } from "../clock.ts";
import { replaceFileSync } from "./atomic.ts";

const POLL_MS = 250;
/** The guard speaks each 250 ms: with nothing heard for that long, inotify may be deaf. */
const DEAF_AFTER_MS = 400;

export interface RunDirectory {
  readPermit(): Permit | null;
  writePermit(permit: Permit): void;
  writeKill(bootId: string, pid: number): void;
  writeStopped(): void;
  /** The guard's status now; null: none that can be understood. */
  readGuard(): GuardObservation | null;
  /** Calls back at each new status, and once for each time the hook asks. Returns the end. */
  watch(listener: RunDirectoryListener): () => void;
}

export interface RunDirectoryListener {
  guard(observation: GuardObservation): void;
  stopRequested(): void;
}

export function openRunDirectory(directory: string, clock: Clock): RunDirectory {
  const path = (name: string): string => join(directory, name);
  const readGuard = createGuardReader(path(STATUS_FILE), clock);
  return {
    readPermit: () => parsePermit(readText(path(PERMIT_FILE)) ?? ""),
    writePermit: (permit) => replaceFileSync(path(PERMIT_FILE), formatPermit(permit)),
    writeKill: (bootId, pid) => replaceFileSync(path(KILL_FILE), formatKill({ bootId, pid })),
    writeStopped: () => replaceFileSync(path(STOPPED_FILE), ""),
    readGuard: () => readGuard()?.observation ?? null,
    watch(listener) {
      let stopSeen = false;
      let lookedAtMs = -Infinity;
      const look = (): void => {
        lookedAtMs = clock().monotonicMs;
        const status = readGuard();
        if (status?.isNew) listener.guard(status.observation);
        const asksToStop = existsSync(path(STOP_FILE));
        if (asksToStop && !stopSeen) listener.stopRequested();
        // The guard of a container that was restarted has removed it.
        stopSeen = asksToStop;
      };
      const watcher = watch(directory, (_event, name) => {
        if (name === STATUS_FILE || name === STOP_FILE) look();
      });
      watcher.on("error", () => watcher.close());
      const timer = setInterval(() => {
        if (clock().monotonicMs - lookedAtMs > DEAF_AFTER_MS) look();
      }, POLL_MS);
      look();
      return () => {
        watcher.close();
        clearInterval(timer);
      };
    },
  };
}

interface GuardReading {
  readonly observation: GuardObservation;
  /** The file has changed since the last call. */
  readonly isNew: boolean;
}

/**
 * Compares the guard's clock with ours at each new status. A status that was written before both
 * processes were frozen looks late by the whole freeze, so a difference is believed only when
 * two statuses in a row show it: the smaller one counts.
 */
function createGuardReader(path: string, clock: Clock): () => GuardReading | null {
  let lastText = "";
  let lastSkewMs: number | null = null;
  let observation: GuardObservation | null = null;
  return () => {
    const text = readText(path) ?? "";
    if (text === lastText) return observation && { observation, isNew: false };
    lastText = text;
    const status = parseStatus(text);
    if (!status) return null;
    const skewMs = status.uptimeMs - clock().bootMs;
    const uptimeSkewMs = smaller(skewMs, lastSkewMs ?? skewMs);
    lastSkewMs = skewMs;
    observation = { bootId: status.bootId, state: status.state, pid: status.pid, uptimeSkewMs };
    return { observation, isNew: true };
  };
}

function smaller(a: number, b: number): number {
  return Math.abs(a) <= Math.abs(b) ? a : b;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
