/**
 * A program of the control plane: started in the outer namespace, in a control group of its own,
 * by which it is found again, and where it can be stopped, killed and frozen.
 */
import {
  createGroup,
  destroyGroup,
  foldersOf,
  processesIn,
  setFrozen,
  signalAll,
} from "./cgroups.ts";
import { enter, OUTER } from "./network.ts";
import { daemonize, until } from "./run.ts";

export interface ProgramSpec {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly logFile: string;
  /** Resolves once it does its work; called again and again until it does not throw. */
  readonly ready: () => Promise<boolean>;
  readonly readyTimeoutMs: number;
}

const STOP_MS = 10_000;
/** Joins the groups that come before "--", then becomes what comes after it. */
const JOIN =
  'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"';

/** The command, in the groups of that name. */
export function inGroup(name: string, command: readonly string[]): [string, ...string[]] {
  return ["sh", "-c", JOIN, "join", ...foldersOf(name), "--", ...command];
}

export class Program {
  readonly name: string;
  readonly #spec: ProgramSpec;

  constructor(spec: ProgramSpec) {
    this.name = spec.name;
    this.#spec = spec;
  }

  /** The process id on this machine, null if it does not run. */
  get pid(): number | null {
    return processesIn(this.name)[0] ?? null;
  }

  /** Does nothing if it runs; resolves once it is ready. */
  async start(): Promise<void> {
    if (this.pid === null) {
      createGroup(this.name);
      const inside = ["nsenter", ...enter(OUTER), ...this.#spec.command];
      const [file, ...args] = inGroup(this.name, inside);
      daemonize(file, args, this.#spec.logFile);
    }
    await this.waitUntilReady();
  }

  async waitUntilReady(): Promise<void> {
    const { logFile, readyTimeoutMs, ready } = this.#spec;
    const what = `${this.name} ready (its log is ${logFile})`;
    await until(what, { timeoutMs: readyTimeoutMs }, ready);
  }

  /** In order; what does not end in time is killed. */
  async stop(): Promise<void> {
    signalAll(processesIn(this.name), "SIGTERM");
    await until(
      `${this.name} stopped`,
      { timeoutMs: STOP_MS },
      async () => this.pid === null,
    ).catch(() => {});
    await this.kill();
  }

  async kill(): Promise<void> {
    await destroyGroup(this.name);
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** It keeps its connections and answers nobody. */
  freeze(): void {
    setFrozen(this.name, true);
  }

  thaw(): void {
    setFrozen(this.name, false);
  }
}
