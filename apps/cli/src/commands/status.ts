/** `leasehold status`: what a member knows of its group. */
import { Command } from "commander";
import { alignColumns } from "../terminal/columns.ts";

const TIMEOUT_MS = 3000;

/** As far as it is shown; apps/sidecar serves it. */
interface Topology {
  readonly group: string;
  readonly reportedBy: string;
  readonly epoch: number;
  readonly leader: { readonly id: string; readonly host: string; readonly port: number } | null;
  readonly failsafe: boolean;
  readonly paused: boolean;
  readonly trouble: string | null;
  readonly nodes: readonly {
    readonly id: string;
    readonly role: string;
    readonly state: string;
    readonly inSync: boolean;
    readonly offset: number;
    readonly lagBytes: number | null;
    readonly ineligible: string | null;
  }[];
}

export function statusCommand(): Command {
  return new Command("status")
    .description("print what a member knows of its group")
    .requiredOption("--url <url>", "a member's status address, http://<host>:8008")
    .option("--json", "print the topology as it is", false)
    .action(async ({ url, json }: { readonly url: string; readonly json: boolean }) => {
      const topology = await readTopology(url);
      const text = json ? JSON.stringify(topology, null, 2) : describeTopology(topology);
      process.stdout.write(`${text}\n`);
    });
}

export function describeTopology(topology: Topology): string {
  const { leader } = topology;
  const led = leader ? `${leader.id} leads at ${leader.host}:${leader.port}` : "nobody leads";
  const marks = [topology.failsafe && "without the API", topology.paused && "paused"];
  const rows = topology.nodes.map((node) => [
    node.id,
    node.role,
    node.state,
    node.inSync ? "in sync" : "",
    String(node.offset),
    node.lagBytes === null ? "" : String(node.lagBytes),
    node.ineligible ?? "",
  ]);
  return [
    [`${topology.group}: ${led}, epoch ${topology.epoch}`, ...marks.filter(Boolean)].join(", "),
    ...(topology.trouble === null ? [] : [topology.trouble]),
    ...alignColumns([["member", "role", "state", "", "offset", "lag", ""], ...rows]),
    `(as ${topology.reportedBy} sees it)`,
  ].join("\n");
}

async function readTopology(url: string): Promise<Topology> {
  const address = new URL("/v1/topology", url);
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return (await response.json()) as Topology;
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    throw new Error(
      `${address.href} did not answer (${String(cause)}): is it a member's port 8008?`,
      { cause: error },
    );
  }
}
