#!/usr/bin/env node
/**
 * The command line, under two names: `leasehold`, and `kubectl leasehold` (kubectl finds a program
 * named kubectl-leasehold).
 *
 * Ctrl-C and SIGTERM abort the running command, which cleans up before the process ends; a second
 * one does not shorten that. Exit codes: exit.ts.
 */
import { basename } from "node:path";
import { runCommandLine } from "./program.ts";

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => interrupted.abort(new Error(`stopped by ${name}`)));
}

const [, script = "", ...args] = process.argv;
const isPlugin = basename(script).startsWith("kubectl-");
const code = await runCommandLine(args, {
  environment: process.env,
  signal: interrupted.signal,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  programName: isPlugin ? "kubectl leasehold" : "leasehold",
});
// `demo` says by it that a promise was broken.
process.exitCode = code === 0 ? (process.exitCode ?? 0) : code;
// What an aborted act still waits for must not keep the process.
process.exit();
