/**
 * Row 31: SETs through the client and through stock ioredis, each in a process of its own, in short
 * turns on one server. The figures are medians over pairs of turns, which a machine that is shared
 * disturbs least: what slows one turn slows its neighbour. Where the kernel lets us, server and
 * contestants have a core each: which of them it puts beside which halves or doubles the rate of
 * requests awaited one by one, and changes between one turn and the next.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { LOOPBACK, startRedisAt, stopAll } from "../process/real-redis.ts";
import { coresFor, type Cores } from "./cores.ts";
import { markdown, medianOf, type Report } from "./report.ts";
import type { Turn } from "./throughput-contestant.ts";
import { LOADS } from "./throughput-loads.ts";

const TURN_MS = 100;
const WARM_UP_MS = 1_500;
/** A turn that takes so much longer has hung. */
const PATIENCE_MS = 10_000;
const MAX_SLOWER = 0.05;

type Contestant = (forMs: number) => Promise<Turn>;

interface Row {
  readonly load: string;
  readonly pairs: number;
  readonly stockPerSecond: number;
  readonly perSecond: number;
  /** Of the pairs, ours by stock's: the median, and between what it lies with 95 %. */
  readonly rate: Spread;
  /** The same of the process' own time for one SET. */
  readonly own: Spread;
}

interface Spread {
  readonly median: number;
  readonly from: number;
  readonly to: number;
}

/** Each of `rounds` rounds has ten pairs. */
export async function measureThroughput(rounds: number, only: string): Promise<Report> {
  const cores = coresFor();
  const { port } = await startRedisAt({ ...LOOPBACK, run: cores.server });
  const rows: Row[] = [];
  for (const { name } of LOADS.filter((load) => load.name.includes(only))) {
    const children = (["stock", "leasehold"] as const).map((kind) => {
      return start([kind, String(port), name], cores);
    });
    try {
      const [stock, ours] = await Promise.all(children.map(contestantOf));
      if (stock && ours) rows.push(await compare(name, rounds * 10, { stock, ours }));
    } finally {
      for (const child of children) child.kill();
    }
  }
  await stopAll();
  return { rows, text: `${textOf(rows)}\n${cores.words}`, broken: rows.flatMap(brokenBy) };
}

function start(words: readonly string[], { client }: Cores): ChildProcess {
  const file = join(import.meta.dirname, "throughput-contestant.ts");
  const [execPath, ...execArgv] = [...client, process.execPath];
  return fork(file, words, { execPath, execArgv });
}

async function contestantOf(child: ChildProcess): Promise<Contestant> {
  const answer = async (withinMs: number): Promise<Turn> => {
    const [result] = (await once(child, "message", {
      signal: AbortSignal.timeout(withinMs),
    })) as [Turn];
    return result;
  };
  await answer(PATIENCE_MS);
  return (forMs) => {
    const result = answer(forMs + PATIENCE_MS);
    child.send(forMs);
    return result;
  };
}

interface Pair<T> {
  readonly stock: T;
  readonly ours: T;
}

async function compare(
  load: string,
  pairs: number,
  { stock, ours }: Pair<Contestant>,
): Promise<Row> {
  for (const contestant of [stock, ours]) await contestant(WARM_UP_MS);
  const turns: Pair<Turn>[] = [];
  while (turns.length < pairs) {
    // Who comes first changes.
    const isStockFirst = turns.length % 2 === 0;
    const first = await (isStockFirst ? stock : ours)(TURN_MS);
    const second = await (isStockFirst ? ours : stock)(TURN_MS);
    turns.push(isStockFirst ? { stock: first, ours: second } : { stock: second, ours: first });
  }
  return {
    load,
    pairs,
    stockPerSecond: medianOf(turns.map((pair) => pair.stock.perSecond)),
    perSecond: medianOf(turns.map((pair) => pair.ours.perSecond)),
    rate: spreadOf(turns.map((pair) => pair.ours.perSecond / pair.stock.perSecond)),
    own: spreadOf(turns.map((pair) => pair.ours.ownNs / pair.stock.ownNs)),
  };
}

/** By the ranks between which the median of any distribution lies with 95 %. */
function spreadOf(ratios: readonly number[]): Spread {
  const sorted = ratios.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  const reach = 0.98 * Math.sqrt(sorted.length);
  const at = (rank: number): number =>
    sorted[Math.min(Math.max(0, rank), sorted.length - 1)] ?? Number.NaN;
  return {
    median: medianOf(ratios),
    from: at(Math.floor(half - reach)),
    to: at(Math.ceil(half + reach)),
  };
}

function brokenBy({ load, rate }: Row): string[] {
  const isBound = LOADS.some(({ name, isBound }) => name === load && isBound);
  return !isBound || rate.median >= 1 - MAX_SLOWER
    ? []
    : [`${load}: ${percent(rate.median)} beside stock ioredis`];
}

function percent(ratio: number): string {
  const change = (ratio - 1) * 100;
  return `${change < 0 ? "" : "+"}${change.toFixed(1)} %`;
}

function textOf(rows: readonly Row[]): string {
  const columns = ["SETs", "stock ioredis", "Leasehold", "rate", "own time for one"];
  const spread = ({ median, from, to }: Spread): string =>
    `${percent(median)} (${percent(from)} to ${percent(to)})`;
  const cells = rows.map(({ load, stockPerSecond, perSecond, rate, own }) => [
    load,
    `${Math.round(stockPerSecond)} /s`,
    `${Math.round(perSecond)} /s`,
    spread(rate),
    spread(own),
  ]);
  return markdown(columns, cells);
}
