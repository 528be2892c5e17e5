/**
 * Runs the acts on a group of real processes and reports what each of them did to the clients.
 *
 * Guarantees: whatever happens, also on abort, everything that was started is ended. Each run has a
 * group of its own.
 */
import { summarise, type Result } from "@leasehold/testkit/result";
import type { Act } from "./acts.ts";
import type { Narrator } from "./narrator.ts";
import { runAct } from "@leasehold/testkit/acts";
import { openStage, type Stage, type StageOptions } from "./stage.ts";

export interface DemoOptions extends StageOptions {
  readonly acts: readonly Act[];
  readonly runs: number;
  /** Told the results, one per act over all runs; the last group lives until it settles. */
  readonly finish: (stage: Stage, results: readonly Result[]) => Promise<void>;
}

/** First install: section 2 of docs/protocol.md promises 8 s; processes need to start, too. */
const FIRST_LEADER_TIMEOUT_MS = 20_000;

/** Rejects if a group does not start, or with the signal's reason when it is aborted. */
export async function runDemo(
  options: DemoOptions,
  narrator: Narrator,
  signal: AbortSignal,
): Promise<void> {
  const results = new Map<Act, Result[]>(options.acts.map((act) => [act, []]));
  for (let run = 1; run <= options.runs; run += 1) {
    const title = options.runs > 1 ? `run ${run} of ${options.runs}, ` : "";
    narrator.say(`starting ${options.members} members (${options.engine})`);
    const stage = await openStage(options);
    narrator.say(`logs in ${stage.group.directory}`);
    try {
      await untilAborted(playAll(stage, { ...options, title, results }, narrator), signal);
      narrator.leave();
      if (run < options.runs) continue;
      await options.finish(
        stage,
        [...results].map(([act, rows]) => summarise(rows, act.bound)),
      );
    } finally {
      narrator.leave();
      await stage.close();
    }
  }
}

interface Programme {
  readonly acts: readonly Act[];
  readonly title: string;
  readonly results: ReadonlyMap<Act, Result[]>;
}

async function playAll(stage: Stage, programme: Programme, narrator: Narrator): Promise<void> {
  narrator.enter(stage);
  await stage.whole(FIRST_LEADER_TIMEOUT_MS);
  for (const [index, act] of programme.acts.entries()) {
    const position = `${programme.title}act ${index + 1} of ${programme.acts.length}`;
    narrator.begin(`${position}: ${act.title}`);
    const report = await runAct(stage, act);
    programme.results.get(act)?.push(report.result);
    narrator.end(report);
  }
}

/** Rejects with the signal's reason; `work` is left to fail by itself when its stage closes. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
    work.catch(() => {});
  }
}
