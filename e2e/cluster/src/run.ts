/**
 * Runs programs, each with a time-out.
 *
 * Guarantees: no call waits longer than its `timeoutMs`; a program that fails or takes too long is
 * a `CommandError` that names it and shows the end of what it said. Nothing is retried here.
 */
import { execFile, spawn } from "node:child_process";
import { openSync, closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { environmentWith } from "./environment.ts";

export interface RunOptions {
  readonly timeoutMs?: number;
  /** Given to the program as its standard input; without it that is empty. */
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

const TIMEOUT_MS = 30_000;
const OUTPUT_BYTES = 64 * 1024 * 1024;
const SHOWN_CHARACTERS = 2_000;

export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly stdout: string;
  readonly stderr: string;
  /** null: a signal or the time-out ended it, or it could not be started. */
  readonly exitCode: number | null;

  constructor(message: string, output: Output & { readonly exitCode: number | null }) {
    super(message);
    this.stdout = output.stdout;
    this.stderr = output.stderr;
    this.exitCode = output.exitCode;
  }
}

/** Resolves with what the program wrote if it ends with exit code 0, else rejects. */
export function run(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Output> {
  const { timeoutMs = TIMEOUT_MS, input = "", cwd, env = environmentWith() } = options;
  return new Promise((resolve, reject) => {
    const limits = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: OUTPUT_BYTES } as const;
    const place = { env, ...(cwd === undefined ? {} : { cwd }) };
    const child = execFile(file, args, { ...limits, ...place }, (error, stdout, stderr) => {
      if (!error) {
        resolve({ stdout, stderr });
        return;
      }
      const exitCode = typeof error.code === "number" ? error.code : null;
      const how = child.killed
        ? `took longer than ${timeoutMs} ms`
        : exitCode === null
          ? `could not run (${String(error.code ?? error.signal)})`
          : `failed with exit code ${exitCode}`;
      const said = (stderr.trim() || stdout.trim()).slice(-SHOWN_CHARACTERS);
      const message = `${[file, ...args].join(" ").slice(0, 300)} ${how}: ${said}`;
      reject(new CommandError(message, { stdout, stderr, exitCode }));
    });
    // A program that does not read its input may be gone before all of it is written.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}

/** Like `run`, for programs whose answer is their exit code. */
export async function succeeds(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<boolean> {
  return run(file, args, options).then(
    () => true,
    (error: unknown) => {
      if (error instanceof CommandError) return false;
      throw error;
    },
  );
}

/** Starts a program that outlives this process, in a session of its own. */
export function daemonize(file: string, args: readonly string[], logFile: string): void {
  const log = openSync(logFile, "a");
  const child = spawn(file, args, {
    detached: true,
    env: environmentWith(),
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  child.once("error", () => {});
  child.unref();
}

/** Runs a program on this terminal and resolves with its exit code. */
export function runOnTerminal(
  file: string,
  args: readonly string[],
  env = environmentWith(),
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: "inherit", env });
    child.once("error", reject);
    child.once("exit", (code) => {
      resolve(code ?? 1);
    });
  });
}

export interface UntilOptions {
  readonly timeoutMs: number;
  readonly pollMs?: number;
}

/** Waits until `probe` gives something else than false, null or undefined, which it returns. */
export async function until<T>(
  what: string,
  { timeoutMs, pollMs = 100 }: UntilOptions,
  probe: () => Promise<T | false | null | undefined>,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  let last: unknown;
  do {
    try {
      const found = await probe();
      if (found !== false && found !== null && found !== undefined) return found;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      last = error;
    }
    await sleep(pollMs);
  } while (performance.now() < deadlineMs);
  const why = last instanceof Error ? `; last: ${last.message}` : "";
  throw new Error(`${what}: not within ${timeoutMs} ms${why}`);
}
