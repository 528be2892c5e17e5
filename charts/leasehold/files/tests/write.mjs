/**
 * `helm test`: ten writes through the write address, on a primary, confirmed by a replica, in a
 * group that knows its leader.
 */
import { eventually, openRedis, runTest, topologyOf } from "./client.mjs";

const WRITES = 10;

await runTest(async (target) => {
  const replicas = target.members.length - 1;
  const written = await eventually(target.patienceMs, async () => {
    const redis = await openRedis(target.write, target);
    try {
      const [role] = /** @type {string[]} */ (await redis.ask("ROLE"));
      if (role !== "master") throw new Error(`the write address leads to a ${role}`);
      for (let write = 0; write < WRITES; write += 1) {
        await redis.ask("SET", `${target.group}:test-write`, write, "EX", 300);
      }
      const confirmed = Number(await redis.ask("WAIT", Math.min(1, replicas), 2_000));
      if (replicas > 0 && confirmed < 1) throw new Error("no replica confirmed a write");
      return `${WRITES} writes, confirmed by ${confirmed} of ${replicas} replicas`;
    } finally {
      redis.close();
    }
  });
  const { epoch, leader } = await topologyOf(target);
  if (!leader || epoch < 1) throw new Error("no member knows a leader");
  return `${written}; ${leader.id} leads in epoch ${epoch}`;
});
