/**
 * Plays one act under load and judges what its clients saw.
 *
 * Guarantees: never throws for a broken group. What went wrong becomes a note and an unkept
 * promise, since "could not be measured" must not look like "held".
 */
import { formatMs, judge, type Measured, type ReadResult, type Result } from "../result/index.ts";
import type {
  Failure,
  FailureKinds,
  LedgerCheck,
  Reads,
  WorkloadState,
  WritableFinding,
} from "../workload/index.ts";
import { setTimeout as sleep } from "node:timers/promises";
import type { Act, ActStage, Promised } from "./act.ts";

export interface ActReport {
  readonly result: Result;
  /** In words: every broken promise that the numbers do not show, and losses not promised. */
  readonly notes: readonly string[];
}

const WHOLE_TIMEOUT_MS = 30_000;
const FLOWING_TIMEOUT_MS = 5000;
/** Undisturbed load before the fault and after the repair. */
const CALM_MS = 500;
/** kube-proxy may lead a reader to a member that is not in sync any more for so long. */
const OLDEST_READ_MS = 1000;
/** A standstill of the clients worth a word: nothing else on this machine ran better. */
const BUSY_MS = 50;

export async function runAct<S extends ActStage>(
  stage: S,
  act: Act<S>,
  calmMs = CALM_MS,
): Promise<ActReport> {
  const broken: string[] = [];
  const attempt = async <T>(step: () => Promise<T>): Promise<T | null> => {
    try {
      return await step();
    } catch (error) {
      broken.push(error instanceof Error ? error.message : String(error));
      return null;
    }
  };
  const { load } = stage;
  await attempt(() => stage.whole(WHOLE_TIMEOUT_MS));
  await stage.startLoad(act.name);
  await attempt(async () => {
    if (!(await load.flowing(FLOWING_TIMEOUT_MS))) {
      throw new Error(`no write was acknowledged within ${FLOWING_TIMEOUT_MS / 1000} s`);
    }
    await sleep(calmMs);
    await load.restartGap();
    await act.play(stage);
    await stage.whole(WHOLE_TIMEOUT_MS);
    await sleep(calmMs);
  });
  await load.stop();
  const seen: Seen = {
    state: await load.state(),
    writable: await load.writable(),
    check: await attempt(() => stage.checkLedger()),
  };
  const findings = findingsOf(act, seen);
  broken.push(...findings.broken);
  return {
    result: judge(measure(act, seen), act.bound, broken.length === 0),
    notes: [...broken, ...findings.remarks],
  };
}

/** What is known when the load has ended. */
interface Seen {
  readonly state: WorkloadState;
  readonly writable: WritableFinding | null;
  /** Null: the ledger could not be compared. */
  readonly check: LedgerCheck | null;
}

function measure(act: Promised, { state, writable, check }: Seen): Measured {
  const confirmedOnly = act.promised === "confirmed";
  return {
    name: act.name,
    writeGapMs: tenths(state.gap.lengthMs),
    undisturbedGapMs: tenths(state.undisturbedGapMs),
    clientErrors: state.failed,
    acknowledged: confirmedOnly ? state.confirmed : state.acknowledged,
    lost: promisedLosses(act, check),
    maxWritable: writable?.members.length ?? 0,
    ...(state.reads && { reads: measureReads(state.reads) }),
  };
}

const tenths = (ms: number): number => Math.round(ms * 10) / 10;

function measureReads({ gapMs, errors, repeated, oldestMs }: Reads): ReadResult {
  return { gapMs: Math.round(gapMs), errors, repeated, oldestMs: Math.round(oldestMs) };
}

function promisedLosses(act: Promised, check: LedgerCheck | null): number {
  if (check === null) return 0;
  return check.lostConfirmed + (act.promised === "acknowledged" ? check.lostAcknowledged : 0);
}

interface Findings {
  /** Promises that the numbers do not show. */
  readonly broken: readonly string[];
  /** Worth saying, and not promised otherwise. */
  readonly remarks: readonly string[];
}

function findingsOf(act: Promised, { state, writable, check }: Seen): Findings {
  const broken: string[] = [];
  const remarks: string[] = [];
  if (writable && writable.members.length > 1) {
    broken.push(`writable at once: ${writable.members.join(" and ")}`);
  }
  if (check && check.presentThoughRefused > 0) {
    broken.push(`${check.presentThoughRefused} writes were refused and are there all the same`);
  }
  if (check && act.promised === "confirmed" && check.lostAcknowledged > 0) {
    remarks.push(
      `${check.lostAcknowledged} writes that no replica had confirmed were lost, ` +
        "as a failover may (docs/protocol.md, section 9)",
    );
  }
  const lost = promisedLosses(act, check);
  if (check && lost + check.presentThoughRefused > 0) {
    remarks.push(`among them ${check.examples.join(", ")}`);
  }
  if (act.reads === "reconnect" && state.reads) broken.push(...brokenReads(state.reads));
  remarks.push(...unexpected(act, state.failures), ...kindsOf(state.failureKinds));
  if (state.standstillMs >= BUSY_MS) {
    remarks.push(
      `this machine was busy: the clients stood still for up to ${formatMs(state.standstillMs)}; ` +
        `without that the longest gap is ${formatMs(state.undisturbedGapMs)}`,
    );
  }
  return { broken, remarks };
}

function kindsOf(kinds: FailureKinds): readonly string[] {
  const all = Object.entries(kinds).toSorted(([, a], [, b]) => b - a);
  if (all.length === 0) return [];
  return [`writers failed with ${all.map(([kind, count]) => `${count} × ${kind}`).join(", ")}`];
}

function brokenReads({ repeated, oldestMs, failures }: Reads): readonly string[] {
  const broken: string[] = [];
  if (repeated > 0) {
    const first = failures.map(({ sinceFaultMs, what }) => `${formatMs(sinceFaultMs)} ${what}`);
    broken.push(`${repeated} reads failed in a row: ${first.join("; ")}`);
  }
  if (oldestMs > OLDEST_READ_MS) {
    broken.push(`a reader was answered with what was true ${formatMs(oldestMs)} before`);
  }
  return broken;
}

/** Failures of clients that the act does not explain. */
function unexpected(act: Promised, failures: readonly Failure[]): readonly string[] {
  const promisesNone = act.bound.p99Ms === 0;
  return failures
    .filter(({ sinceFaultMs }) => promisesNone || sinceFaultMs < 0)
    .map(({ sinceFaultMs, what }) => {
      const side = sinceFaultMs < 0 ? "before" : "after";
      return `a client failed ${formatMs(Math.abs(sinceFaultMs))} ${side} the fault, ${what}`;
    });
}
