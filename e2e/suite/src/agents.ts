/**
 * Ways to an agent: in a pod through the API server, which cannot be while that is away, or as a
 * process beside the nodes, which outlives them all.
 */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Cluster } from "@leasehold/cluster";
import { AGENT_PORT, type AgentAnswer, type AgentCall } from "./agent-call.ts";
import { bundleAgent } from "./manifests.ts";

const CALL_TIMEOUT_MS = 30_000;

export interface Agent {
  readonly name: string;
  /** Whose kube-proxy its clients use. */
  readonly node: string;
  call(request: AgentCall): Promise<AgentAnswer>;
}

export interface AgentPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
}

export function podAgent(cluster: Cluster, { namespace, name, node }: AgentPod): Agent {
  const path = `/api/v1/namespaces/${namespace}/pods/${name}:${AGENT_PORT}/proxy/call`;
  return {
    name,
    node,
    async call(request) {
      const text = await cluster.kubectl(["create", "--raw", path, "-f", "-"], {
        input: JSON.stringify(request),
        timeoutMs: CALL_TIMEOUT_MS,
      });
      return JSON.parse(text) as AgentAnswer;
    },
  };
}

export interface OutsideAgent extends Agent {
  close(): Promise<void>;
}

/** Calls are answered one after the other, in order. */
export async function startOutsideAgent(cluster: Cluster): Promise<OutsideAgent> {
  const folder = await mkdtemp(join(tmpdir(), "leasehold-agent-"));
  const program = join(folder, "agent.mjs");
  await writeFile(program, await bundleAgent());
  const stdio = ["pipe", "pipe", "inherit"] as const;
  const child = cluster.spawn([process.execPath, program, "lines"], { stdio: [...stdio] });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error("the agent has no input or output");
  const gone = once(child, "exit");
  const answers = createInterface(stdout)[Symbol.asyncIterator]();
  let before: Promise<unknown> = Promise.resolve();
  const ask = async (request: AgentCall): Promise<AgentAnswer> => {
    stdin.write(`${JSON.stringify(request)}\n`);
    const line = await answers.next();
    if (line.done === true) throw new Error("the agent outside has ended");
    return JSON.parse(line.value) as AgentAnswer;
  };
  return {
    name: "outside",
    node: "outside",
    call(request) {
      const answer = before.then(() => ask(request));
      before = answer.catch(() => {});
      return answer;
    },
    async close() {
      stdin.end();
      await gone;
      await rm(folder, { recursive: true });
    },
  };
}
