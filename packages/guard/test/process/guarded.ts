/**
 * A guard in a directory of its own, under one of the shells of this machine, and a way to look
 * at it. Whatever a test does, `dispose` leaves neither process nor file behind.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { GUARD_SCRIPT, parseStatus, type GuardStatus } from "../../src/index.ts";

const REDIS = process.env["LEASEHOLD_TEST_REDIS"] ?? "redis-server";

export interface Shell {
  readonly name: string;
  readonly shell: readonly string[];
}

/** Shells that this machine has; `sh` is one of the others, so it counts only without them. */
export function shells(): readonly Shell[] {
  const named = [["dash"], ["bash", "--posix"], ["busybox", "sh"]].filter(hasShell);
  return (named.length > 0 ? named : [["sh"]]).map((shell) => ({ name: shell.join(" "), shell }));
}

function hasShell([file = ""]: readonly string[]): boolean {
  return spawnSync(file, ["-c", "exit 0"]).error === undefined;
}

export interface Guarded {
  readonly directory: string;
  /** The guard's process; null before `start`. */
  guard(): ChildProcess;
  start(options?: StartOptions): void;
  /** As the sidecar does it: written beside, renamed into place. */
  write(file: string, text: string): void;
  status(): GuardStatus | null;
  /** The first status that satisfies it; throws after `timeoutMs`. */
  until(wanted: (status: GuardStatus) => boolean, timeoutMs?: number): Promise<GuardStatus>;
  /** Running, and Redis answers. */
  untilServing(): Promise<{ readonly pid: number; readonly bootId: string }>;
  /** Exit code of the guard. */
  ended(timeoutMs?: number): Promise<number | null>;
  /** Answer of Redis to one inline command. */
  ask(command: string): Promise<string>;
  /** Processes whose working directory is this one, the guard included. */
  processes(): readonly number[];
  dispose(): Promise<void>;
}

export interface StartOptions {
  /** After `--`; null: the guard's default command. */
  readonly command?: readonly string[] | null;
  readonly env?: Readonly<Record<string, string>>;
}

export function createGuarded(shell: readonly string[]): Guarded {
  const directory = mkdtempSync(join(tmpdir(), "leasehold-guard-"));
  const config = join(directory, "redis.conf");
  writeFileSync(config, redisConf(directory));
  const socket = join(directory, "redis.sock");
  let child: ChildProcess | null = null;
  let log = "";

  const guarded: Guarded = {
    directory,
    guard() {
      if (!child) throw new Error("start the guard first");
      return child;
    },
    start({ command = [REDIS, config], env = {} } = {}) {
      const [file = "sh", ...args] = shell;
      const tail = command === null ? [] : ["--", ...command];
      child = spawn(file, [...args, GUARD_SCRIPT, ...tail], {
        cwd: directory,
        env: { PATH: process.env["PATH"] ?? "", LEASEHOLD_RUN_DIR: directory, ...env },
        stdio: ["ignore", "ignore", "pipe"],
      });
      child.stderr?.on("data", (data: Buffer) => (log += data.toString()));
    },
    write(file, text) {
      writeFileSync(join(directory, `${file}.new`), text);
      renameSync(join(directory, `${file}.new`), join(directory, file));
    },
    status: () => readStatus(directory),
    until: (wanted, timeoutMs = 5_000) =>
      poll(timeoutMs, () => {
        const status = readStatus(directory);
        if (status && wanted(status)) return status;
        return `status is ${JSON.stringify(status)}; the guard said:\n${log}`;
      }),
    async untilServing() {
      const { pid, bootId } = await guarded.until((status) => status.state === "running");
      await poll(5_000, async () => {
        const answer = await ask(socket, "PING").catch((error: unknown) => String(error));
        return answer.includes("PONG") ? { answer } : answer;
      });
      return { pid: pid!, bootId };
    },
    ended: (timeoutMs = 5_000) => exitCode(guarded.guard(), timeoutMs),
    ask: (command) => ask(socket, command),
    processes: () => processesIn(directory),
    async dispose() {
      child?.kill("SIGKILL");
      await poll(5_000, () => {
        const left = processesIn(directory);
        for (const pid of left) killQuietly(pid);
        return left.length === 0 ? { left } : `processes ${left.join(", ")} do not end`;
      });
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return guarded;
}

/** The test's own reading of the guard's clock. */
export function uptimeMs(): number {
  return Math.round(Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) * 1_000);
}

export function killQuietly(pid: number, signal: NodeJS.Signals = "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

function redisConf(directory: string): string {
  return [
    "port 0",
    `unixsocket ${join(directory, "redis.sock")}`,
    `dir ${directory}`,
    "replicaof 127.0.0.1 1",
    'save ""',
    "loglevel warning",
    "",
  ].join("\n");
}

function readStatus(directory: string): GuardStatus | null {
  try {
    return parseStatus(readFileSync(join(directory, "status"), "utf8"));
  } catch {
    return null;
  }
}

async function exitCode(child: ChildProcess, timeoutMs: number): Promise<number | null> {
  await poll(timeoutMs, () =>
    child.exitCode !== null || child.signalCode !== null ? { child } : "the guard still runs",
  );
  return child.exitCode;
}

/** Calls until it returns something else than a complaint. */
async function poll<T extends object>(
  timeoutMs: number,
  attempt: () => T | string | Promise<T | string>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const result = await attempt();
    if (typeof result !== "string") return result;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${result}`);
    await sleep(5);
  }
}

/** Ends with the answer to QUIT: a BGSAVE holds a copy of the socket, so it may stay open. */
function ask(socket: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const connection = createConnection(socket, () => connection.write(`${command}\r\nQUIT\r\n`));
    connection.setTimeout(2_000, () => connection.destroy(new Error("Redis does not answer")));
    connection.on("data", (data) => {
      answer += data.toString();
      if (answer.endsWith("+OK\r\n")) connection.destroy();
    });
    connection.on("error", reject);
    connection.on("close", () => resolve(answer));
  });
}

function processesIn(directory: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && workingDirectory(name) === directory)
    .map(Number);
}

function workingDirectory(pid: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return null;
  }
}
