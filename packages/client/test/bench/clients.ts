/**
 * Row 29: what clients do under the same faults. Prints medians as a Markdown table; what this
 * package promises is judged, for itself alone.
 */
import { CONTESTANTS, type Contestant } from "./contestants.ts";
import { play, type Played } from "./play.ts";
import { markdown, medianOf, type Report } from "./report.ts";
import { canPlay, FAULTS, type Fault } from "./stages.ts";

export interface CompareOptions {
  readonly runs: number;
  /** Part of a fault's or a client's name. */
  readonly only: string;
}

interface Row extends Played {
  readonly fault: Fault;
  readonly client: string;
  readonly runs: number;
  readonly broken: readonly string[];
}

const COLUMNS = ["fault", "client", "gap", "no leader", "failed", "twice", "lost", "never settled"];

export async function compare({ runs, only }: CompareOptions): Promise<Report> {
  const rows: Row[] = [];
  for (const fault of Object.keys(FAULTS) as Fault[]) {
    for (const contestant of CONTESTANTS) {
      const isWanted = `${fault}, ${FAULTS[fault]}, ${contestant.name}`.includes(only);
      if (!isWanted || !canPlay(fault, contestant.by)) continue;
      const played: Played[] = [];
      while (played.length < runs) played.push(await play(contestant, fault));
      rows.push(summary(fault, contestant, played));
      console.error(cellsOf(rows.at(-1) as Row).join("  "));
    }
  }
  return {
    rows: rows.map((row) => ({ ...row, gapMs: Number.isFinite(row.gapMs) ? row.gapMs : null })),
    text: markdown(COLUMNS, rows.map(cellsOf)),
    broken: rows.flatMap(({ broken }) => broken),
  };
}

function summary(fault: Fault, { name, isOurs }: Contestant, played: readonly Played[]): Row {
  const median = (of: keyof Played): number => medianOf(played.map((one) => one[of]));
  const row = {
    fault,
    client: name,
    runs: played.length,
    gapMs: median("gapMs"),
    leaderlessMs: median("leaderlessMs"),
    failed: median("failed"),
    twice: median("twice"),
    lost: median("lost"),
    neverSettled: median("neverSettled"),
    wrong: median("wrong"),
  };
  const broken = isOurs ? played.flatMap((one) => brokenBy(fault, one)) : [];
  return { ...row, broken: broken.map((what) => `${FAULTS[fault]}, ${name}: ${what}`) };
}

function brokenBy(fault: Fault, played: Played): string[] {
  const isPlanned = fault === "switchover" || fault === "demotion";
  const never = ["twice", "neverSettled", "wrong"] as const;
  const wanted = isPlanned ? ([...never, "failed", "lost"] as const) : never;
  const found: string[] = wanted
    .filter((what) => played[what] > 0)
    .map((what) => `${what} ${played[what]}`);
  return Number.isFinite(played.gapMs) ? found : [...found, "wrote never again"];
}

function cellsOf(row: Row): string[] {
  const gap = Number.isFinite(row.gapMs) ? `${Math.round(row.gapMs)} ms` : "never again";
  const leaderless = `${Math.round(row.leaderlessMs)} ms`;
  const counts = [row.failed, row.twice, row.lost, row.neverSettled].map(String);
  return [FAULTS[row.fault], row.client, gap, leaderless, ...counts];
}
