/**
 * `helm test` with tests.switchover: twenty writers go on while the command line hands the lead
 * over. Fails for a lost acknowledged write, for more than two seconds in which nobody's write was
 * acknowledged, and if nobody else leads afterwards.
 */
import { execFile } from "node:child_process";
import { eventually, openRedis, runTest, topologyOf } from "./client.mjs";

const WRITERS = 20;
const LONGEST_GAP_MS = 2_000;
const BEFORE_AND_AFTER_MS = 2_000;
const COMMAND_MS = 60_000;

await runTest(async (target) => {
  const before = await topologyOf(target);
  const load = startWriters(target);
  await sleep(BEFORE_AND_AFTER_MS);
  await switchOver(target);
  await sleep(BEFORE_AND_AFTER_MS);
  await load.stop();
  const after = await topologyOf(target);
  if (!after.leader || after.leader.id === before.leader?.id) {
    throw new Error(`${before.leader?.id ?? "nobody"} led, and nobody else does now`);
  }
  const lost = await lostWrites(target, load.acknowledged);
  if (lost.length > 0) throw new Error(`acknowledged writes are lost: ${lost.join(", ")}`);
  const { writes, longestGapMs } = load.figures();
  if (longestGapMs > LONGEST_GAP_MS) {
    throw new Error(`no write was acknowledged for ${longestGapMs} ms, ${LONGEST_GAP_MS} at most`);
  }
  return (
    `from ${before.leader?.id} to ${after.leader.id}; ${writes} writes of ${WRITERS} writers, ` +
    `none lost, longest gap ${longestGapMs} ms`
  );
});

/** @param {import("./client.mjs").Target} target */
function startWriters(target) {
  const acknowledged = Array.from({ length: WRITERS }, () => 0);
  const stopping = new AbortController();
  let writes = 0;
  let lastMs = performance.now();
  let longestGapMs = 0;
  const writers = acknowledged.map(async (_, writer) => {
    for (let value = 1; !stopping.signal.aborted;) {
      try {
        const redis = await openRedis(target.write, target);
        for (; !stopping.signal.aborted; value += 1) {
          await redis.ask("SET", keyOf(target, writer), value, "EX", 600);
          acknowledged[writer] = value;
          writes += 1;
          longestGapMs = Math.max(longestGapMs, Math.round(performance.now() - lastMs));
          lastMs = performance.now();
          await sleep(5);
        }
        redis.close();
      } catch {
        // What was not acknowledged is written again, on a new connection.
        await sleep(20);
      }
    }
  });
  return {
    acknowledged,
    figures: () => ({ writes, longestGapMs }),
    async stop() {
      stopping.abort();
      await Promise.all(writers);
    },
  };
}

/**
 * @param {import("./client.mjs").Target} target
 * @param {readonly number[]} acknowledged
 */
function lostWrites(target, acknowledged) {
  return eventually(target.patienceMs, async () => {
    const redis = await openRedis(target.write, target);
    const lost = [];
    for (const [writer, value] of acknowledged.entries()) {
      const kept = Number(await redis.ask("GET", keyOf(target, writer)));
      if (kept < value) lost.push(`writer ${writer}: ${value} became ${kept}`);
    }
    redis.close();
    return lost;
  });
}

/** @param {import("./client.mjs").Target} target */
function switchOver({ group, namespace }) {
  const args = ["switchover", group, "--namespace", namespace, "--yes"];
  return new Promise((resolve, reject) => {
    execFile("leasehold", args, { timeout: COMMAND_MS }, (error, stdout, stderr) => {
      process.stdout.write(stdout);
      if (error) reject(new Error(`leasehold ${args.join(" ")}: ${stderr || error.message}`));
      else resolve(undefined);
    });
  });
}

/**
 * @param {import("./client.mjs").Target} target
 * @param {number} writer
 */
function keyOf({ group }, writer) {
  return `${group}:test-switchover:${writer}`;
}

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
