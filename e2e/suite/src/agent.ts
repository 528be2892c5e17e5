/**
 * Writers, readers and observers, led from outside: in a pod by `POST /call` with `{method, args}`,
 * with the argument `lines` by one such document per line of standard input, whose end ends it.
 *
 * Lists of the ledger carry a word of this process, so that one that was replaced can neither be
 * taken for its predecessor nor write into its lists.
 */
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import {
  createLoad,
  type Address,
  type Load,
  type WorkloadOptions,
} from "@leasehold/testkit/workload";
import { AGENT_PORT, type AgentCall, type StartArguments } from "./agent-call.ts";
import { createClientWriters, type ClientWriters } from "./client-writers.ts";

const own = randomUUID();
const loads = new Map<string, Load>();
let load: Load | null = null;
let client: ClientWriters | null = null;

async function carryOut(call: AgentCall): Promise<unknown> {
  if (call.method === "start") {
    const { ledger, clientUrl, ...workload } = call.args[0];
    load = loads.get(ledger) ?? createLoad(`e2e:${own}:${ledger}`);
    loads.set(ledger, load);
    client = clientUrl === undefined ? null : createClientWriters(clientUrl);
    const { startWriter } = client ?? {};
    return load.start({ ...workloadOf(workload), ...(startWriter && { startWriter }) });
  }
  if (load === null) throw new Error("there is no load yet: start it first");
  switch (call.method) {
    case "check":
      return load.check(...call.args);
    case "flowing":
      return load.flowing(...call.args);
    case "restartGap":
      return load.restartGap();
    case "state":
      return { ...load.state(), originMs: performance.timeOrigin };
    case "writable":
      return load.writable();
    case "stop":
      await load.stop();
      return client?.close();
  }
}

function workloadOf({
  members,
  ...rest
}: Omit<StartArguments, "ledger" | "clientUrl">): WorkloadOptions {
  return { ...rest, members: new Map<string, Address>(Object.entries(members)) };
}

async function answer(json: string): Promise<string> {
  try {
    return JSON.stringify({ value: (await carryOut(JSON.parse(json) as AgentCall)) ?? null });
  } catch (error) {
    return JSON.stringify({ error: error instanceof Error ? error.message : "failed" });
  }
}

async function answerLines(): Promise<void> {
  for await (const line of createInterface(process.stdin)) {
    process.stdout.write(`${await answer(line)}\n`);
  }
  process.exit(0);
}

if (process.argv[2] === "lines") {
  void answerLines();
} else {
  createServer((request, response) => {
    void text(request)
      .then(answer)
      .then((body) => response.end(body));
  }).listen(AGENT_PORT);
  // PID 1 gets no default action for it.
  process.once("SIGTERM", () => process.exit(0));
}
