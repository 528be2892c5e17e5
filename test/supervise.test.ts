/** What `supervise` does to real process groups. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const SUPERVISE = fileURLToPath(new URL("../scripts/setup/supervise.mjs", import.meta.url));

/** Runs `sh -c script` under supervision, in a process of its own that can be signalled. */
function superviseShell(script: string, options = ""): ChildProcess {
  const program = `
    import { supervise } from ${JSON.stringify(SUPERVISE)};
    const options = { env: process.env, ${options} };
    process.exitCode = await supervise("sh", ["-c", ${JSON.stringify(script)}], options);
  `;
  const args = ["--input-type=module", "--eval", program];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

/** The first line that the child prints. */
async function firstLine(child: ChildProcess): Promise<string> {
  const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  return line;
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("hands on the exit code", async () => {
  expect(await exitCode(superviseShell("exit 7"))).toBe(7);
});

test("says 128 + signal number when a signal ended the command", async () => {
  expect(await exitCode(superviseShell("kill -KILL $$"))).toBe(137);
});

test("passes arguments as they are, whatever they contain", async () => {
  const line = await firstLine(superviseShell("printf '%s\\n' 'a  \"b\" $HOME *'"));
  expect(line).toBe('a  "b" $HOME *');
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s reaches the command, which is waited for",
  async (signal) => {
    const trap = `trap 'exit 3' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`;
    const child = superviseShell(trap);
    await firstLine(child);
    const code = exitCode(child);
    child.kill(signal);
    expect(await code).toBe({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
  },
);

test("ends what the command leaves behind in its group", async () => {
  const child = superviseShell("sleep 30 & echo $!");
  const left = Number(await firstLine(child));
  expect(await exitCode(child)).toBe(0);
  expect(isAlive(left)).toBe(false);
});

test("kills a command that does not end within its grace, and descendants of other groups", async () => {
  const script = "trap '' TERM; setsid sleep 30 & echo $!; while :; do sleep 0.05; done";
  const child = superviseShell(script, "graceMs: 100");
  const left = Number(await firstLine(child));
  const code = exitCode(child);
  child.kill("SIGTERM");
  expect(await code).toBe(143);
  await expect.poll(() => isAlive(left), { timeout: 10_000 }).toBe(false);
});

test("after a signal ends what has left the group and lost its parent, too", async () => {
  const leaves = "setsid sh -c 'echo $$; exec sleep 30' &";
  const child = superviseShell(`trap 'exit 0' INT; ${leaves} while :; do sleep 0.05; done`);
  const left = Number(await firstLine(child));
  const code = exitCode(child);
  child.kill("SIGINT");
  expect(await code).toBe(130);
  await expect.poll(() => isAlive(left)).toBe(false);
});

test("does not take npm's echo of a signal for a second one", async () => {
  const script =
    "trap 'sleep 0.3; echo ended; exit 0' INT; echo ready; while :; do sleep 0.05; done";
  const child = superviseShell(script);
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout! });
  output.on("line", (line) => lines.push(line));
  await once(output, "line");
  const ended = Promise.all([once(output, "close"), exitCode(child)]);
  child.kill("SIGINT");
  await setImmediate();
  child.kill("SIGINT");
  await ended;
  expect(lines).toEqual(["ready", "ended"]);
});
