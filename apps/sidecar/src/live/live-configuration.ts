/**
 * Follows the sidecar's own configuration: lines of `redis.configuration` that changed are set in
 * the running Redis, and people are told what only a restart of the pod brings.
 *
 * Guarantees: a line is in redis.conf only once a running Redis has taken it, or the pod began
 * with it, or no Redis has been there for half a minute: so no change keeps a Redis that restarts
 * from starting, and every mistake can be mended. Each change is told once. What
 * could not be sent is tried again; what was refused is not, until it changes. Settings that
 * cannot be used change nothing.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Reason } from "@leasehold/replication";
import type { RedisAdmin } from "@leasehold/redis";
import type { Log } from "../log.ts";
import { changedKeys, type SettingsOutcome } from "../settings/settings.ts";
import type { Settings } from "../settings/schema.ts";
import { changeOf, withDirective, type Directive } from "./directives.ts";

export interface LiveConfiguration {
  /** Something waits for a restart of the pod. */
  isPending(): boolean;
  stop(): void;
}

export interface LiveConfigurationParts {
  /** As the pod began, with the lines that redis.conf holds now. */
  readonly settings: Settings;
  readonly reload: () => Promise<SettingsOutcome>;
  /** Throws if a line may not be set. */
  readonly check: (lines: readonly string[]) => void;
  /** These lines are in force: redis.conf must hold them. */
  readonly render: (lines: readonly string[]) => void;
  readonly admin: RedisAdmin;
  readonly announce: (reason: Reason, words: string) => void;
  readonly log: Log;
  readonly pollMs?: number;
}

const POLL_MS = 2_000;
const ADMIN_DEADLINE_MS = 1_000;
/** Far longer than the guard's back-off between two starts. */
const ABSENT_TURNS = 15;
const LINES_KEY = "redis.configuration";

interface Progress {
  /** What redis.conf holds. */
  lines: readonly string[];
  /** By directive, the value that Redis has refused. */
  readonly refused: Map<string, string>;
  /** For so many turns no Redis was there. */
  absentTurns: number;
  /** Told last; empty: nothing waits. */
  waiting: string;
  trouble: string;
}

export function followConfiguration(parts: LiveConfigurationParts): LiveConfiguration {
  const stopping = new AbortController();
  const { signal } = stopping;
  const progress: Progress = {
    lines: parts.settings.redis.configuration,
    refused: new Map(),
    absentTurns: 0,
    waiting: "",
    trouble: "",
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await turn(parts, progress);
        progress.trouble = "";
      } catch (error) {
        const words = error instanceof Error ? error.message : String(error);
        if (words !== progress.trouble) parts.log.error(`the configuration is kept: ${words}`);
        progress.trouble = words;
      }
      await sleep(parts.pollMs ?? POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  };
  void run();
  return {
    isPending: () => progress.waiting !== "",
    stop: () => stopping.abort(),
  };
}

async function turn(parts: LiveConfigurationParts, progress: Progress): Promise<void> {
  const outcome = await parts.reload();
  if (!outcome.ok) throw new Error(outcome.errors.join(" "));
  const wanted = outcome.settings;
  parts.check(wanted.redis.configuration);
  if (await startsWith(wanted.redis.configuration, parts, progress)) return;
  const { changed, removed } = changeOf(progress.lines, wanted.redis.configuration);
  const taken: string[] = [];
  for (const directive of changed) {
    if (await set(directive, parts, progress)) taken.push(directive.name);
  }
  if (taken.length > 0) parts.announce("configApplied", `in force now: ${taken.join(", ")}`);
  const names = new Set(changed.map(({ name }) => name));
  for (const name of progress.refused.keys()) if (!names.has(name)) progress.refused.delete(name);
  const keys = changedKeys(parts.settings, wanted).filter((key) => key !== LINES_KEY);
  tellWhatWaits(parts, progress, [...keys, ...progress.refused.keys(), ...removed]);
}

/**
 * A Redis that does not start may not start because of its lines, and has nothing to lose by
 * others. True: redis.conf holds the mounted ones from now on.
 */
async function startsWith(
  lines: readonly string[],
  { admin, render, log }: LiveConfigurationParts,
  progress: Progress,
): Promise<boolean> {
  const { changed, removed } = changeOf(progress.lines, lines);
  if (changed.length + removed.length === 0) return false;
  const there = await admin.run([], ADMIN_DEADLINE_MS);
  const isAbsent = !there.ok && there.why === "absent";
  progress.absentTurns = isAbsent ? progress.absentTurns + 1 : 0;
  if (progress.absentTurns < ABSENT_TURNS) return false;
  log.warn("Redis has not been there for a while: it starts with the lines that are mounted now");
  progress.lines = lines;
  progress.refused.clear();
  render(lines);
  return true;
}

/** True: Redis has taken it. */
async function set(
  { name, value, lines }: Directive,
  { admin, render, log }: LiveConfigurationParts,
  progress: Progress,
): Promise<boolean> {
  if (progress.refused.get(name) === value) return false;
  const outcome = await admin.run([["CONFIG", "SET", name, value]], ADMIN_DEADLINE_MS);
  if (outcome.ok) {
    progress.refused.delete(name);
    progress.lines = withDirective(progress.lines, { name, value, lines });
    render(progress.lines);
    return true;
  }
  if (outcome.why !== "refused") {
    throw new Error(`Redis does not take ${name} now: ${outcome.message}`);
  }
  log.warn(`Redis does not take ${name} while it runs: ${outcome.message}`);
  progress.refused.set(name, value);
  return false;
}

function tellWhatWaits(
  { announce }: LiveConfigurationParts,
  progress: Progress,
  names: readonly string[],
): void {
  const waiting = names.join(", ");
  if (waiting === progress.waiting) return;
  progress.waiting = waiting;
  if (waiting !== "") {
    announce(
      "restartRequired",
      `changed, and in force only after a restart of the pod: ${waiting}`,
    );
  }
}
