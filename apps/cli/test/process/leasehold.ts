/** Runs the command line as a process of its own, as users do. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { onTestFailed } from "vitest";

export const MAIN = resolve(import.meta.dirname, "../../src/main.ts");

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ReturnType<typeof spawn>;
  readonly ended: Promise<Ran>;
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Default: the sources' own entry. */
  readonly main?: string;
  /** Called with everything on stderr so far, whenever there is more. */
  readonly told?: (stderr: string, running: Running["child"]) => void;
}

export function start(args: readonly string[], options: RunOptions = {}): Running {
  const { environment = {}, main = MAIN, told } = options;
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  child.stderr.on("data", (chunk) => {
    stderr += String(chunk);
    told?.(stderr, child);
  });
  const ended = once(child, "close").then(([code]) => {
    onTestFailed(() => console.error(stdout, stderr));
    return { code: code as number | null, stdout, stderr };
  });
  return { child, ended };
}

export function run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return start(args, options).ended;
}
