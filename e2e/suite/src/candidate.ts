/**
 * A candidate of client-go's leader election that contends for a group's Lease, and the times at
 * which it led, by its own words, on the clock of `performance.now()`.
 *
 * Guarantees: a turn that was cut short by SIGKILL ends when the process is seen to be gone, which
 * is never too early. Needs the binary `candidate` of the cluster, and this machine's clock.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Cluster } from "@leasehold/cluster";
import type { Probe } from "@leasehold/testkit/workload";

export interface Turn {
  readonly fromMs: number;
  /** Infinity: it leads. */
  readonly untilMs: number;
}

export interface Candidate {
  turns(): readonly Turn[];
  leads(): boolean;
  /** SIGTERM: it says that it stops, and releases the Lease. SIGKILL: it does neither. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

export interface CandidateOptions {
  readonly namespace: string;
  readonly lease: string;
  readonly durationMs: number;
}

interface Line {
  readonly event: "contends" | "started" | "stopped";
  readonly atMs: number;
}

/** Resolves once it contends. */
export async function startCandidate(
  cluster: Cluster,
  { namespace, lease, durationMs }: CandidateOptions,
): Promise<Candidate> {
  const flags = { kubeconfig: cluster.kubeconfig, namespace, lease, duration: `${durationMs}ms` };
  const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  const child = cluster.spawn(["candidate", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const turns: Turn[] = [];
  const leads = (): boolean => turns.at(-1)?.untilMs === Infinity;
  function turn(event: "started" | "stopped", atMs: number): void {
    if (event === "started") turns.push({ fromMs: atMs, untilMs: Infinity });
    else if (leads()) turns.push({ fromMs: turns.pop()?.fromMs ?? atMs, untilMs: atMs });
  }
  const gone = once(child, "exit").then(() => turn("stopped", performance.now()));
  if (child.stdout === null) throw new Error("the candidate has no output");
  const lines = createInterface(child.stdout);
  const contends = once(lines, "line");
  lines.on("line", (text) => {
    const { event, atMs } = JSON.parse(text) as Line;
    if (event !== "contends") turn(event, atMs - originMs());
  });
  await Promise.race([contends, gone.then(() => Promise.reject(new Error("it has ended")))]);
  return {
    turns: () => turns,
    leads,
    async end(signal) {
      child.kill(signal);
      await gone;
    },
  };
}

/** The time since the machine was started at which `performance.now()` was 0. */
function originMs(): number {
  return Number(process.hrtime.bigint()) / 1e6 - performance.now();
}

/** Writes that a member certainly took while the candidate led. */
export function writesDuring(turns: readonly Turn[], probes: readonly Probe[]): readonly Probe[] {
  return probes.filter(
    ({ accepted, sentAtMs, answeredAtMs }) =>
      accepted &&
      turns.some(({ fromMs, untilMs }) => fromMs <= sentAtMs && answeredAtMs <= untilMs),
  );
}
