/**
 * `helm test`: a value that was written through the write address is seen at the read address and
 * on every member.
 */
import { eventually, openRedis, runTest } from "./client.mjs";

await runTest(async (target) => {
  const key = `${target.group}:test-read`;
  const value = `${process.pid}-${performance.timeOrigin}`;
  await eventually(target.patienceMs, () =>
    askOnce(target.write, target, ["SET", key, value, "EX", "300"]),
  );
  const addresses = [...(target.read ? [target.read] : []), ...target.members];
  for (const address of addresses) {
    await eventually(target.patienceMs, async () => {
      const seen = await askOnce(address, target, ["GET", key]);
      if (seen !== value) {
        throw new Error(`${address.host}:${address.port} has ${String(seen)}, not ${value}`);
      }
    });
  }
  return `seen at ${addresses.map(({ host }) => host).join(", ")}`;
});

/**
 * @param {{ host: string, port: number }} address
 * @param {import("./client.mjs").Target} target
 * @param {readonly string[]} words
 */
async function askOnce(address, target, words) {
  const redis = await openRedis(address, target);
  try {
    return await redis.ask(...words);
  } finally {
    redis.close();
  }
}
