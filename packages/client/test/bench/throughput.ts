/**
 * Row 31: SETs through the client and through stock ioredis, in short turns on one server. The
 * figures are medians over pairs of turns, which a machine that is shared disturbs least: what
 * slows one turn slows its neighbour.
 */
import { Redis } from "ioredis";
import { createLeasehold, staticTopology } from "../../src/index.ts";
import { startRedis, stopAll } from "../process/real-redis.ts";
import { markdown, medianOf, type Report } from "./report.ts";

const TURN_MS = 200;
const IN_FLIGHT = 100;
const MAX_SLOWER = 0.05;

type Load = (redis: Redis) => Promise<unknown>;

async function sets(redis: Redis): Promise<void> {
  await Promise.all(Array.from({ length: IN_FLIGHT }, () => redis.set("k", "v")));
}

async function pipeline(redis: Redis): Promise<void> {
  const batch = redis.pipeline();
  for (let n = 0; n < IN_FLIGHT; n += 1) batch.set("k", "v");
  await batch.exec();
}

const LOADS: readonly { name: string; load: Load; enableAutoPipelining: boolean }[] = [
  { name: "single", load: sets, enableAutoPipelining: false },
  { name: "pipelined", load: pipeline, enableAutoPipelining: false },
  { name: "auto-pipelined", load: sets, enableAutoPipelining: true },
];

interface Turn {
  readonly perSecond: number;
  /** This process' own time for one SET. */
  readonly userNs: number;
}

async function turn(redis: Redis, load: Load): Promise<Turn> {
  const startedAtMs = performance.now();
  const before = process.cpuUsage();
  let done = 0;
  while (performance.now() - startedAtMs < TURN_MS) {
    await load(redis);
    done += IN_FLIGHT;
  }
  const { user } = process.cpuUsage(before);
  const perSecond = (done / (performance.now() - startedAtMs)) * 1_000;
  return { perSecond, userNs: (user / done) * 1_000 };
}

interface Row {
  readonly load: string;
  readonly pairs: number;
  readonly stockPerSecond: number;
  readonly perSecond: number;
  /** Of the pairs: ours by stock's. */
  readonly rate: number;
  readonly cpu: number;
}

/** Each of `rounds` rounds has ten pairs. */
export async function measureThroughput(rounds: number): Promise<Report> {
  const server = await startRedis();
  const rows: Row[] = [];
  for (const { name, load, enableAutoPipelining } of LOADS) {
    const address = { host: server.host, port: server.port };
    const stock = new Redis({ ...address, enableAutoPipelining });
    const topology = staticTopology({ nodes: [address] });
    const client = createLeasehold({ topology, redis: { enableAutoPipelining } });
    await Promise.all([stock.ping(), client.leader.ping()]);
    rows.push(await compare(name, rounds * 10, { stock, ours: client.leader, load }));
    stock.disconnect();
    await client.close();
  }
  await stopAll();
  return { rows, text: textOf(rows), broken: rows.flatMap(brokenBy) };
}

interface Pair {
  readonly stock: Redis;
  readonly ours: Redis;
  readonly load: Load;
}

async function compare(name: string, pairs: number, { stock, ours, load }: Pair): Promise<Row> {
  for (const redis of [stock, ours, stock, ours]) await turn(redis, load);
  const turns: { readonly stock: Turn; readonly ours: Turn }[] = [];
  while (turns.length < pairs) {
    // Who comes first changes.
    const isStockFirst = turns.length % 2 === 0;
    const first = await turn(isStockFirst ? stock : ours, load);
    const second = await turn(isStockFirst ? ours : stock, load);
    turns.push(isStockFirst ? { stock: first, ours: second } : { stock: second, ours: first });
  }
  return {
    load: name,
    pairs,
    stockPerSecond: medianOf(turns.map((pair) => pair.stock.perSecond)),
    perSecond: medianOf(turns.map((pair) => pair.ours.perSecond)),
    rate: medianOf(turns.map((pair) => pair.ours.perSecond / pair.stock.perSecond)),
    cpu: medianOf(turns.map((pair) => pair.ours.userNs / pair.stock.userNs)),
  };
}

function brokenBy({ load, rate }: Row): string[] {
  return rate >= 1 - MAX_SLOWER ? [] : [`${load}: ${percent(rate)} beside stock ioredis`];
}

function percent(ratio: number): string {
  const change = (ratio - 1) * 100;
  return `${change < 0 ? "" : "+"}${change.toFixed(1)} %`;
}

function textOf(rows: readonly Row[]): string {
  const columns = ["SETs", "stock ioredis", "Leasehold", "rate", "own time for one"];
  const cells = rows.map(({ load, stockPerSecond, perSecond, rate, cpu }) => [
    load,
    `${Math.round(stockPerSecond)} /s`,
    `${Math.round(perSecond)} /s`,
    percent(rate),
    percent(cpu),
  ]);
  return markdown(columns, cells);
}
