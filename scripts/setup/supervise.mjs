/**
 * Runs a command in a process group of its own and leaves nothing of that group behind.
 *
 * SIGINT, SIGTERM and SIGHUP go on to the whole group, which then has `graceMs` to end; a second
 * signal or the end of that time kills it. What has left the group by itself is out of reach.
 *
 * @typedef {NodeJS.Signals} Signal
 *
 * @typedef {object} SuperviseOptions
 * @property {NodeJS.ProcessEnv} env
 * @property {string} [cwd]
 * @property {number} [graceMs]
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** @type {readonly Signal[]} */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
const GRACE_MS = 20_000;
const LEFTOVERS_MS = 5_000;
const POLL_MS = 50;

/**
 * Resolves with the exit code: 128 + signal number if a signal ended the command or arrived
 * here. Rejects only if the command cannot be started.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {SuperviseOptions} options
 * @returns {Promise<number>}
 */
export async function supervise(command, args, { graceMs = GRACE_MS, ...options }) {
  // Detached = a session of its own: a terminal's Ctrl-C reaches it once, through here.
  const child = spawn(command, args, {
    ...options,
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
  });
  const relay = relaySignals(child.pid, graceMs);
  try {
    const exit = await exitOf(child);
    await endGroup(child.pid);
    const signal = relay.received() ?? exit.signal;
    return signal ? 128 + constants.signals[signal] : (exit.code ?? 1);
  } finally {
    relay.stop();
  }
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @returns {Promise<{ code: number | null, signal: Signal | null }>}
 */
function exitOf(child) {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      resolve({ code, signal });
    });
  });
}

/**
 * @param {number | undefined} pid
 * @param {number} graceMs
 */
function relaySignals(pid, graceMs) {
  /** @type {Signal | null} */
  let received = null;
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const relay = (/** @type {Signal} */ signal) => {
    signalGroup(pid, received ? "SIGKILL" : signal);
    received ??= signal;
    timer ??= setTimeout(() => signalGroup(pid, "SIGKILL"), graceMs);
  };
  // A session of its own does not hear of a changed window size either.
  const resized = () => signalGroup(pid, "SIGWINCH");
  for (const signal of SIGNALS) process.on(signal, relay);
  process.on("SIGWINCH", resized);
  return {
    received: () => received,
    stop() {
      clearTimeout(timer);
      for (const signal of SIGNALS) process.off(signal, relay);
      process.off("SIGWINCH", resized);
    },
  };
}

/**
 * @param {number | undefined} pid
 * @param {Signal | 0} signal
 * @returns {boolean} false if the group has no process any more
 */
function signalGroup(pid, signal) {
  if (pid === undefined) return false;
  try {
    return process.kill(-pid, signal);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

/** @param {number | undefined} pid */
async function endGroup(pid) {
  if (!signalGroup(pid, "SIGTERM")) return;
  const deadlineMs = performance.now() + LEFTOVERS_MS;
  while (performance.now() < deadlineMs) {
    if (!signalGroup(pid, 0)) return;
    await sleep(POLL_MS);
  }
  signalGroup(pid, "SIGKILL");
}
