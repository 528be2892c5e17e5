/**
 * One contestant of the throughput, in a process of its own: what one leaves to the garbage
 * collector, or teaches V8's compiler, is then no burden of the other. Each message is the number
 * of milliseconds to go on for; the answer is what came of it.
 */
import { Redis } from "ioredis";
import { createLeasehold, staticTopology } from "../../src/index.ts";
import { LOADS } from "./throughput-loads.ts";

export interface Turn {
  readonly perSecond: number;
  /** This process' own time for one SET, in user and system mode. */
  readonly ownNs: number;
}

function connect(kind: string, port: number, enableAutoPipelining: boolean): Redis {
  const address = { host: "127.0.0.1", port };
  if (kind === "stock") return new Redis({ ...address, enableAutoPipelining });
  const topology = staticTopology({ nodes: [address] });
  return createLeasehold({ topology, redis: { enableAutoPipelining } }).leader;
}

const [, , kind = "", port, name] = process.argv;
const load = LOADS.find((one) => one.name === name);
if (!load) throw new Error(`there is no load named ${name}`);
const { run, count, enableAutoPipelining } = load;
const redis = connect(kind, Number(port), enableAutoPipelining);

async function turn(forMs: number): Promise<Turn> {
  const startedAtMs = performance.now();
  const before = process.cpuUsage();
  let done = 0;
  let tookMs = 0;
  while (tookMs < forMs) {
    await run(redis);
    done += count;
    tookMs = performance.now() - startedAtMs;
  }
  const { user, system } = process.cpuUsage(before);
  return { perSecond: (done / tookMs) * 1_000, ownNs: ((user + system) / done) * 1_000 };
}

await redis.ping();
process.on("message", (forMs) => {
  void turn(Number(forMs)).then((result) => process.send?.(result));
});
process.on("disconnect", () => process.exit(0));
process.send?.("ready");
