#!/usr/bin/env node
/**
 * The command line: `leasehold demo`, `leasehold status`.
 *
 * Ctrl-C and SIGTERM abort the running command, which cleans up before the process ends; a second
 * one does not shorten that. Exit code 0: done and all promises held; 1: not; 130: interrupted.
 */
import { Command } from "commander";
import { demoCommand } from "./commands/demo.ts";
import { statusCommand } from "./commands/status.ts";

const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => interrupted.abort(new Error(`stopped by ${name}`)));
}

const program = new Command("leasehold")
  .description("one stable write address for Redis on Kubernetes, elected through the Lease API")
  .addCommand(demoCommand(interrupted.signal))
  .addCommand(statusCommand());

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
}
// What an aborted act still waits for must not keep the process.
process.exit();
