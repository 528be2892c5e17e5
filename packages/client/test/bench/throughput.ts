/**
 * Row 31: SETs a second through the client and through stock ioredis, in turns on one server:
 * `node packages/client/test/bench/throughput.ts [rounds]`. Prints medians; judges nothing.
 */
import { Redis } from "ioredis";
import { createLeasehold, staticTopology } from "../../src/index.ts";
import { startRedis, stopAll } from "../process/real-redis.ts";

const ROUND_MS = 1_000;
const IN_FLIGHT = 100;
const rounds = Number(process.argv[2] ?? 5);

type Load = (redis: Redis) => Promise<number>;

const LOADS: Readonly<Record<string, Load>> = {
  async single(redis) {
    await Promise.all(Array.from({ length: IN_FLIGHT }, () => redis.set("k", "v")));
    return IN_FLIGHT;
  },
  async pipelined(redis) {
    const pipeline = redis.pipeline();
    for (let n = 0; n < IN_FLIGHT; n += 1) pipeline.set("k", "v");
    await pipeline.exec();
    return IN_FLIGHT;
  },
};

async function rate(redis: Redis, load: Load): Promise<number> {
  const startedAtMs = performance.now();
  let done = 0;
  while (performance.now() - startedAtMs < ROUND_MS) done += await load(redis);
  return (done / (performance.now() - startedAtMs)) * 1_000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

const server = await startRedis();
const address = { host: server.host, port: server.port };
for (const enableAutoPipelining of [false, true]) {
  const stock = new Redis({ ...address, enableAutoPipelining });
  const topology = staticTopology({ nodes: [address] });
  const client = createLeasehold({ topology, redis: { enableAutoPipelining } });
  await Promise.all([stock.ping(), client.leader.ping()]);
  for (const [name, load] of Object.entries(LOADS)) {
    if (enableAutoPipelining && name === "pipelined") continue;
    const rates = { stock: [] as number[], leasehold: [] as number[] };
    await rate(stock, load);
    await rate(client.leader, load);
    for (let round = 0; round < rounds; round += 1) {
      rates.stock.push(await rate(stock, load));
      rates.leasehold.push(await rate(client.leader, load));
    }
    const [theirs, ours] = [median(rates.stock), median(rates.leasehold)];
    const change = `${((ours / theirs - 1) * 100).toFixed(1)} %`;
    const title = enableAutoPipelining ? "auto-pipelined" : name;
    console.log(
      `${title}: stock ${theirs.toFixed(0)}/s, leasehold ${ours.toFixed(0)}/s (${change})`,
    );
  }
  stock.disconnect();
  await client.close();
}
await stopAll();
