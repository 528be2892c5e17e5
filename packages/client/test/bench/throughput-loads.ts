/** What the contestants of the throughput are asked for: SETs, in all the ways of asking. */
import type { Redis } from "ioredis";

export interface Load {
  readonly name: string;
  readonly enableAutoPipelining: boolean;
  /** Resolves when `count` SETs are done. */
  readonly run: (redis: Redis) => Promise<unknown>;
  readonly count: number;
  /** False: it is told, and bound to nothing. */
  readonly isBound: boolean;
}

const LARGE = "v".repeat(16 * 1_024);

async function oneByOne(redis: Redis): Promise<void> {
  for (let n = 0; n < 10; n += 1) await redis.set("k", "v");
}

async function atOnce(redis: Redis): Promise<void> {
  await Promise.all(Array.from({ length: 100 }, () => redis.set("k", "v")));
}

const pipelines =
  (count: number, value = "v") =>
  async (redis: Redis): Promise<void> => {
    const pipeline = redis.pipeline();
    for (let n = 0; n < count; n += 1) pipeline.set("k", value);
    await pipeline.exec();
  };

async function transaction(redis: Redis): Promise<void> {
  const transaction = redis.multi();
  for (let n = 0; n < 10; n += 1) transaction.set("k", "v");
  await transaction.exec();
}

const usual = { enableAutoPipelining: false, isBound: true };
const auto = { enableAutoPipelining: true, isBound: true };

export const LOADS: readonly Load[] = [
  { name: "awaited one by one", ...usual, run: oneByOne, count: 10 },
  { name: "100 at once", ...usual, run: atOnce, count: 100 },
  { name: "auto-pipelined, 100 at once", ...auto, run: atOnce, count: 100 },
  { name: "pipelines of 10", ...usual, run: pipelines(10), count: 10 },
  { name: "pipelines of 100", ...usual, run: pipelines(100), count: 100 },
  { name: "pipelines of 1000", ...usual, run: pipelines(1_000), count: 1_000 },
  { name: "pipelines of 20, 16 KiB each", ...usual, run: pipelines(20, LARGE), count: 20 },
  // ioredis builds these itself (src/light-pipeline.ts).
  { name: "transactions of 10", ...usual, isBound: false, run: transaction, count: 10 },
];
