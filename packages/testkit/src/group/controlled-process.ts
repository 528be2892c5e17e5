/**
 * One child process of the harness, under control by pid.
 *
 * Guarantees: `stop` returns only when the process is gone; a frozen process is ended too. The
 * child has its own process group, so that Ctrl-C in a terminal reaches the harness alone.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";

export interface ProcessCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Output is appended here. */
  readonly logFile: string;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ControlledProcess {
  /** Null while it does not run. */
  pid(): number | null;
  /** Does nothing if it already runs. */
  start(): void;
  /** False if it does not run. */
  signal(name: NodeJS.Signals): boolean;
  /** Resolves when it is gone; at once if it does not run. Null: still there after `timeoutMs`. */
  exited(timeoutMs: number): Promise<ProcessExit | null>;
  /** Sends the signal and waits; SIGKILL follows when `timeoutMs` is over. */
  stop(name: NodeJS.Signals, timeoutMs: number): Promise<ProcessExit | null>;
}

const KILL_TIMEOUT_MS = 5_000;

export function controlProcess(command: () => ProcessCommand): ControlledProcess {
  let child: ChildProcess | null = null;
  let lastExit: ProcessExit | null = null;
  let ended: Promise<ProcessExit> = Promise.resolve({ code: null, signal: null });

  const control: ControlledProcess = {
    pid: () => child?.pid ?? null,
    start() {
      if (child) return;
      const started = spawnLogged(command());
      child = started;
      ended = new Promise((resolve) => {
        const settle = (exit: ProcessExit): void => {
          if (child === started) child = null;
          lastExit = exit;
          resolve(exit);
        };
        started.once("exit", (code, signal) => settle({ code, signal }));
        started.once("error", () => settle({ code: null, signal: null }));
      });
    },
    signal: (name) => child?.kill(name) ?? false,
    async exited(timeoutMs) {
      if (!child) return lastExit;
      return withTimeout(ended, timeoutMs);
    },
    async stop(name, timeoutMs) {
      if (!child) return lastExit;
      control.signal(name);
      if (name !== "SIGKILL") {
        const exit = await control.exited(timeoutMs);
        if (exit) return exit;
        control.signal("SIGKILL");
      }
      return control.exited(KILL_TIMEOUT_MS);
    },
  };
  return control;
}

function spawnLogged(command: ProcessCommand): ChildProcess {
  const log = openSync(command.logFile, "a");
  try {
    return spawn(command.file, [...command.args], {
      cwd: command.cwd,
      env: { ...command.env },
      stdio: ["ignore", log, log],
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

async function withTimeout<T>(promise: Promise<T>, timeoutMs: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
