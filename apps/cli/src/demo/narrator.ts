/**
 * Tells what happens on a stage while it happens: the members' own words from their logs, and on
 * a terminal a live picture below them.
 */
import { formatMs, type Result } from "@leasehold/testkit/result";
import type { Screen, Style } from "../terminal/screen.ts";
import { followLog } from "./log-follower.ts";
import { drawPicture } from "./picture.ts";
import type { ActReport } from "@leasehold/testkit/acts";
import type { Stage } from "./stage.ts";

export interface Narrator {
  say(line: string): void;
  /** From now on this stage is watched. */
  enter(stage: Stage): void;
  begin(title: string): void;
  end(report: ActReport): void;
  /** Looks away, before the stage closes. */
  leave(): void;
}

const TICK_MS = 200;

export function createNarrator(screen: Screen): Narrator {
  const startMs = performance.now();
  let title = "the group starts";
  let watch: Watch | null = null;
  const sayAt = (atMs: number, line: string, style?: Style) =>
    screen.print(`${((atMs - startMs) / 1000).toFixed(2).padStart(7)} s  ${line}`, style);
  const say = (line: string, style?: Style) => sayAt(performance.now(), line, style);
  return {
    say,
    enter(stage) {
      watch = watchStage(stage, { screen, sayAt, title: () => title });
    },
    begin(next) {
      title = next;
      screen.print("");
      say(next, "bold");
    },
    end(report) {
      watch?.catchUp();
      say(describeResult(report.result), report.result.held ? "green" : "red");
      for (const note of report.notes) say(`  ${note}`);
    },
    leave() {
      watch?.end();
      watch = null;
      screen.draw([]);
    },
  };
}

function describeResult(result: Result): string {
  const within = result.boundMs === 0 ? "no error allowed" : `bound ${formatMs(result.boundMs)}`;
  return (
    `${result.held ? "held" : "BROKEN"}: write gap ${formatMs(result.writeGapMs)} (${within}), ` +
    `${result.clientErrors} client errors, ${result.acknowledged} writes, ${result.lost} lost, ` +
    `${result.maxWritable} writable at once`
  );
}

interface Watch {
  /** Says what the logs hold and was not said yet. */
  catchUp(): void;
  end(): void;
}

interface Voice {
  readonly screen: Screen;
  /** `atMs` of this process's `performance.now()`. */
  readonly sayAt: (atMs: number, line: string) => void;
  readonly title: () => string;
}

function watchStage(stage: Stage, voice: Voice): Watch {
  const logs = stage.group.members.map((member) =>
    followLog(member.logFiles.sidecar, (line) => {
      const entry = readEntry(line);
      if (entry !== null) voice.sayAt(entry.atMs, `${member.name}: ${entry.words}`);
    }),
  );
  const catchUp = () => {
    for (const log of logs) log.poll();
  };
  const rate = createRate();
  let busy = false;
  const timer = setInterval(() => {
    catchUp();
    if (busy || !voice.screen.live) return;
    busy = true;
    void draw(stage, voice, rate).finally(() => {
      busy = false;
    });
  }, TICK_MS);
  return {
    catchUp,
    end() {
      clearInterval(timer);
      catchUp();
      for (const log of logs) log.close();
    },
  };
}

async function draw(stage: Stage, voice: Voice, rate: Rate): Promise<void> {
  // Before the first act there is none.
  const load = await stage.load.state().catch(() => null);
  const members = await stage.views();
  voice.screen.draw(
    drawPicture({
      act: voice.title(),
      members,
      addressed: stage.group.currentLeader()?.name ?? null,
      load,
      writesPerSecond: rate(load?.acknowledged ?? 0),
    }),
  );
}

type Rate = (total: number) => number;

/** Growth per second of a total, from one call to the next; a total that fell starts anew. */
function createRate(): Rate {
  let last = { total: 0, atMs: performance.now() };
  return (total) => {
    const now = { total, atMs: performance.now() };
    const perSecond = (1000 * (now.total - last.total)) / Math.max(1, now.atMs - last.atMs);
    last = now;
    return Math.max(0, perSecond);
  };
}

interface Entry {
  readonly atMs: number;
  readonly words: string;
}

/**
 * What a sidecar decided, or warns of, in its own words; null: nothing for an audience. Its clock
 * is this machine's, so its time can be set beside ours.
 */
function readEntry(line: string): Entry | null {
  if (line === "") return null;
  try {
    const { time, words, epoch } = JSON.parse(line) as {
      readonly time: string;
      readonly words?: string;
      readonly epoch?: number;
    };
    if (words === undefined) return null;
    const atMs = Date.parse(time) - performance.timeOrigin;
    return { atMs, words: epoch === undefined ? words : `${words} (epoch ${epoch})` };
  } catch {
    return { atMs: performance.now(), words: line };
  }
}
