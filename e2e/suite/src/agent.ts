/**
 * In a pod: writers and observers, led from outside by `POST /call` with `{method, args}`.
 *
 * Lists of the ledger carry a word of this process, so that one that was replaced can neither be
 * taken for its predecessor nor write into its lists.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { createLoad, type Address, type WorkloadOptions } from "@leasehold/testkit/workload";
import { AGENT_PORT, type AgentCall, type StartArguments } from "./agent-call.ts";

const load = createLoad(`e2e:${randomUUID()}`);

function carryOut(call: AgentCall): unknown {
  switch (call.method) {
    case "start":
      return load.start(workloadOf(call.args[0]));
    case "check":
      return load.check(...call.args);
    case "flowing":
      return load.flowing(...call.args);
    case "restartGap":
      return load.restartGap();
    case "state":
      return load.state();
    case "writable":
      return load.writable();
    case "stop":
      return load.stop();
  }
}

function workloadOf({ members, ...rest }: StartArguments): WorkloadOptions {
  return { ...rest, members: new Map<string, Address>(Object.entries(members)) };
}

async function answer(request: IncomingMessage): Promise<string> {
  const call = JSON.parse(await text(request)) as AgentCall;
  return JSON.stringify({ value: (await carryOut(call)) ?? null });
}

createServer((request, response) => {
  answer(request).then(
    (body) => response.end(body),
    (error: unknown) => {
      response.end(JSON.stringify({ error: error instanceof Error ? error.message : "failed" }));
    },
  );
}).listen(AGENT_PORT);
// PID 1 gets no default action for it.
process.once("SIGTERM", () => process.exit(0));
