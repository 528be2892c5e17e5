/** `leasehold demo`: options, output and exit code of the demo. */
import { spawnSync } from "node:child_process";
import { Command, InvalidArgumentError, Option } from "commander";
import { renderJsonRows, renderTable, type Result } from "@leasehold/testkit/result";
import { ACTS, type Act } from "../demo/acts.ts";
import { runDemo } from "../demo/demo.ts";
import { createNarrator } from "../demo/narrator.ts";
import type { Stage } from "../demo/stage.ts";
import { createScreen } from "../terminal/screen.ts";

interface Flags {
  readonly json: boolean;
  readonly act?: readonly Act[];
  readonly members: number;
  readonly engine: "redis" | "valkey";
  readonly enginePath?: string;
  readonly keep: boolean;
  readonly runs: number;
}

const ENGINE_BINARY = { redis: "redis-server", valkey: "valkey-server" };

/** `signal` aborts at Ctrl-C; whoever aborts waits for the command to clean up. */
export function demoCommand(signal: AbortSignal): Command {
  return new Command("demo")
    .description("break a group of real Redis processes in every way, and show what clients saw")
    .option("--json", "print one JSON row per act on stdout, the story on stderr", false)
    .option("--act <name>", `only this act, may be repeated (${namesOf(ACTS)})`, collectAct)
    .option("--members <n>", "members of the group, 2 to 7", integerBetween(2, 7), 3)
    .addOption(
      new Option("--engine <name>", "what the members run")
        .choices(["redis", "valkey"])
        .default("redis"),
    )
    .option("--engine-path <path>", "the server's binary, instead of the one on PATH")
    .option("--keep", "leave the group running at the end, until Ctrl-C", false)
    .option("--runs <n>", "run the acts n times, with a new group each", integerBetween(1, 1000), 1)
    .action((flags: Flags) => demo(flags, signal));
}

async function demo(flags: Flags, signal: AbortSignal): Promise<void> {
  const engine = flags.enginePath ?? ENGINE_BINARY[flags.engine];
  requireEngine(engine);
  const screen = createScreen(flags.json ? process.stderr : process.stdout);
  const options = {
    acts: flags.act ?? ACTS,
    members: flags.members,
    engine,
    runs: flags.runs,
    async finish(stage: Stage, results: readonly Result[]) {
      process.stdout.write(flags.json ? renderJsonRows(results) : `\n${renderTable(results)}`);
      if (results.some((result) => !result.held)) process.exitCode = 1;
      if (!flags.keep) return;
      for (const line of whatToType(stage)) screen.print(line);
      await aborted(signal);
    },
  };
  try {
    await runDemo(options, createNarrator(screen), signal);
  } finally {
    screen.close();
  }
}

/** Throws, naming what to install, before anything is started. */
function requireEngine(engine: string): void {
  const { error, status } = spawnSync(engine, ["--version"], { timeout: 5000 });
  if (error === undefined && status === 0) return;
  const why = error?.message ?? `exit code ${status}`;
  throw new Error(
    `${engine} does not run (${why}): install it, or name its binary with --engine-path`,
  );
}

function whatToType({ address, group }: Stage): string[] {
  const [member] = group.members;
  return [
    "",
    "The group stays up until Ctrl-C. Through its write address:",
    `  redis-cli -h ${address.host} -p ${address.port} set greeting hello`,
    "What a member knows of the group:",
    `  curl ${member?.httpUrl}/v1/topology`,
    `Logs and configuration: ${group.directory}`,
  ];
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function collectAct(name: string, chosen: readonly Act[] = []): readonly Act[] {
  const act = ACTS.find((candidate) => candidate.name === name);
  if (act === undefined) throw new InvalidArgumentError(`Use one of ${namesOf(ACTS)}.`);
  return chosen.includes(act) ? chosen : [...chosen, act];
}

function integerBetween(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Use a whole number from ${least} to ${most}.`);
  };
}

function namesOf(acts: readonly Act[]): string {
  return acts.map((act) => act.name).join(", ");
}
