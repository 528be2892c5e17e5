/**
 * `npm run bench`: what this client costs and does, beside others, with real servers.
 *
 * Exit codes: 0 what is promised was kept, 1 it was not, 2 wrong usage, or nothing was measured.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Report } from "./report.ts";

const USAGE = `Usage: npm run bench -- <bench> [options]

  clients      the same faults for ioredis, node-redis, both with Sentinel, and this client
  throughput   SETs a second, beside stock ioredis
  soak         the leader changes again and again: nothing may grow
  bullmq       200 jobs a second on a real group, over ten failovers
  engines      the client's process tests with Redis 7 and 8, Valkey 8 and 9

  --runs <n>       clients: of each fault (3); throughput: rounds (5)
  --only <text>    clients: faults and clients whose names contain it; throughput: ways of asking;
                   engines: these
  --seconds <n>    soak: how long (300)
  --every <ms>     soak: from one change of the leader to the next (1000)
  --services       bullmq: with the group's Services alone, and no word of its sidecars
  --json <file>    one JSON row for each result
  --help           this text

LEASEHOLD_TEST_REDIS names another server's program than redis-server.
Exit codes: 0 kept what is promised, 1 did not, 2 wrong usage or not measured.`;

interface Options {
  readonly runs: number | null;
  readonly only: string;
  readonly seconds: number;
  readonly everyMs: number;
  readonly services: boolean;
}

/** Loaded when wanted: each brings clients of its own. */
const BENCHES: Readonly<Record<string, (options: Options) => Promise<Report>>> = {
  async clients({ runs, only }) {
    const { compare } = await import("./clients.ts");
    return compare({ runs: runs ?? 3, only });
  },
  async throughput({ runs, only }) {
    const { measureThroughput } = await import("./throughput.ts");
    return measureThroughput(runs ?? 5, only);
  },
  async soak({ seconds, everyMs }) {
    const { soak } = await import("./soak.ts");
    return soak(seconds, everyMs);
  },
  async bullmq({ services }) {
    const { playJobs } = await import("./jobs.ts");
    return playJobs(services ? "services" : "push");
  },
  async engines({ only }) {
    const { testEngines } = await import("./engines.ts");
    return testEngines(only);
  },
};

class UsageError extends Error {}

function read(): { bench: (options: Options) => Promise<Report>; options: Options; json: string } {
  const { values, positionals } = parse();
  const [name = "", ...rest] = positionals;
  const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (!bench || rest.length > 0) {
    throw new UsageError(
      `"${positionals.join(" ")}" is no bench: use ${Object.keys(BENCHES).join(", ")}`,
    );
  }
  const runs = values.runs === undefined ? null : wholeNumber("runs", values.runs);
  const seconds = wholeNumber("seconds", values.seconds);
  const everyMs = wholeNumber("every", values.every);
  const { only, services, json } = values;
  return { bench, options: { runs, only, seconds, everyMs, services }, json };
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        runs: { type: "string" },
        only: { type: "string", default: "" },
        seconds: { type: "string", default: "300" },
        every: { type: "string", default: "1000" },
        services: { type: "boolean", default: false },
        json: { type: "string", default: "" },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new UsageError(`--${name} must be a whole number from 1 on, not "${text}"`);
}

async function run(): Promise<number> {
  if (process.argv.includes("--help")) {
    console.log(USAGE);
    return 0;
  }
  const { bench, options, json } = read();
  const { rows, text, broken } = await bench(options);
  console.log(text);
  for (const what of broken) console.log(`NOT KEPT: ${what}`);
  if (json !== "") writeFileSync(json, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return broken.length === 0 ? 0 : 1;
}

const exitCode = await run().catch((error: unknown) => {
  console.error(error instanceof UsageError ? `${error.message}\n\n${USAGE}` : error);
  return 2;
});
// What a client leaves behind must not keep it running.
process.exit(exitCode);
