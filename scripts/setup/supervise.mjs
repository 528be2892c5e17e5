/**
 * Runs a command in a process group of its own and leaves nothing of it behind.
 *
 * SIGINT, SIGTERM and SIGHUP go on to the whole group, which then has `graceMs` to end. The end of
 * that time, or a second signal, kills the group and all descendants, whatever group they chose.
 * What outlives the command in its group is ended too. So is, after a signal, whatever descended
 * from it when that came; what left the group and lost its parent before is out of reach.
 *
 * @typedef {NodeJS.Signals} Signal
 *
 * @typedef {object} Group
 * @property {number | undefined} pid Of its leader, which is the number of the group, too.
 *
 * @typedef {object} SuperviseOptions
 * @property {NodeJS.ProcessEnv} env
 * @property {string} [cwd]
 * @property {number} [graceMs]
 * @property {"inherit" | "ignore"} [stdin]
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { birthOf, descendantsOf } from "./process-tree.mjs";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** @type {readonly Signal[]} */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
const GRACE_MS = 20_000;
/** npm passes on what a terminal has sent to all: the same signal again within this time. */
const ECHO_MS = 1_000;
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
export async function supervise(
  command,
  args,
  { graceMs = GRACE_MS, stdin = "ignore", ...options },
) {
  // Listens before there is anything to end: no signal may find this process without a listener.
  /** @type {Group} */
  const group = { pid: undefined };
  const relay = relaySignals(group, graceMs);
  // Detached = a session of its own: a terminal's Ctrl-C reaches it once, through here.
  const child = spawn(command, args, {
    ...options,
    stdio: [stdin, "inherit", "inherit"],
    detached: true,
  });
  group.pid = child.pid;
  try {
    const exit = await exitOf(child);
    await endGroup(group);
    relay.endDescendants();
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
 * @param {Group} group
 * @param {number} graceMs
 */
function relaySignals(group, graceMs) {
  /** @type {Signal | null} */
  let received = null;
  let receivedAtMs = 0;
  /** @type {ReadonlyMap<number, string | null>} */
  let descendants = new Map();
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const relay = (/** @type {Signal} */ signal) => {
    if (received !== null) {
      if (performance.now() - receivedAtMs > ECHO_MS) killTree(group);
      return;
    }
    received = signal;
    receivedAtMs = performance.now();
    descendants = new Map(descendantsOf(process.pid).map((pid) => [pid, birthOf(pid)]));
    timer = setTimeout(() => killTree(group), graceMs);
    signalGroup(group, signal);
  };
  // A session of its own does not hear of a changed window size either.
  const resized = () => signalGroup(group, "SIGWINCH");
  for (const signal of SIGNALS) process.on(signal, relay);
  process.on("SIGWINCH", resized);
  return {
    received: () => received,
    endDescendants() {
      for (const [pid, birth] of descendants) {
        if (birth !== null && birthOf(pid) === birth) sendSignal(pid, "SIGKILL");
      }
    },
    stop() {
      clearTimeout(timer);
      for (const signal of SIGNALS) process.off(signal, relay);
      process.off("SIGWINCH", resized);
    },
  };
}

/**
 * @param {Group} group
 * @param {Signal | 0} signal
 * @returns {boolean} false if the group has no process any more
 */
function signalGroup({ pid }, signal) {
  return pid !== undefined && sendSignal(-pid, signal);
}

/**
 * @param {number} pid Negative: the group of that number.
 * @param {Signal | 0} signal
 * @returns {boolean} false if there is no such process
 */
function sendSignal(pid, signal) {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

/** @param {Group} group */
function killTree(group) {
  // Listed before the first of them dies: an orphan's line of descent is lost.
  const tree = group.pid === undefined ? [] : descendantsOf(group.pid);
  signalGroup(group, "SIGKILL");
  for (const one of tree) sendSignal(one, "SIGKILL");
}

/** @param {Group} group */
async function endGroup(group) {
  if (!signalGroup(group, "SIGTERM")) return;
  const deadlineMs = performance.now() + LEFTOVERS_MS;
  while (performance.now() < deadlineMs) {
    if (!signalGroup(group, 0)) return;
    await sleep(POLL_MS);
  }
  signalGroup(group, "SIGKILL");
}
