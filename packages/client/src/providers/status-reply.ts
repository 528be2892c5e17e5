/**
 * The sidecars' status API: reads its topology (docs/protocol.md of the project). Pure.
 */
import { branchOf } from "../topology/branch.ts";
import { nodeOf } from "../topology/node.ts";
import type { LeaderChanging, NodeDescription, TopologyObservation } from "../types.ts";

/** Of a sidecar that does not say: it shows what it heard for so long, and each looks first. */
const MOST_AGE_MS = 4_000;

type Fields = Readonly<Record<string, unknown>>;

/** Throws with the name of what is missing. */
export function observationFrom(
  source: string,
  text: string,
  id: string | null,
): TopologyObservation {
  const body = fieldsOf(JSON.parse(text), "the topology");
  const leader = body["leader"] === null ? null : fieldsOf(body["leader"], "leader");
  const nodes = listOf(body["nodes"]).map(nodeFrom);
  const leaderId = leader === null ? null : textOf(leader["id"], "leader.id");
  const known = nodes.find((node) => node.id === leaderId);
  // Of the leader's own address: the newest epoch that was heard of may be nobody's yet.
  const epoch = leader === null ? null : numberOf(leader["epoch"] ?? body["epoch"], "epoch");
  const named: NodeDescription[] = [];
  if (leader && leaderId !== null && epoch !== null) {
    const host = textOf(leader["host"], "leader.host");
    const address = { host, port: numberOf(leader["port"], "leader.port") };
    const one = known ?? nodeOf({ id: leaderId, role: "primary", ...address });
    const branch = branchOf(leader["lineage"], { epoch, replicationId: one.replicationId });
    // What it said before its promotion, it said of the history before.
    const offset = one.replicationId === branch.replicationId ? one.offset : null;
    named.push({ ...one, ...address, ...branch, offset });
  }
  const expected = numberOf(body["expectedNodes"], "expectedNodes");
  return {
    source,
    version: versionFrom(id),
    epoch,
    leaderId,
    expectedNodes: expected > 0 ? expected : null,
    nodes: [...named, ...nodes.filter((node) => node.id !== leaderId)],
    authoritative: true,
    via: "push",
  };
}

export function changeFrom(text: string): LeaderChanging {
  const body = fieldsOf(JSON.parse(text), "leaderChanging");
  const { successor } = body as { successor?: unknown };
  return {
    epoch: numberOf(body["epoch"], "epoch"),
    successor: typeof successor === "string" ? successor : null,
    deadlineMs: numberOf(body["deadlineMs"], "deadlineMs"),
  };
}

function versionFrom(id: string | null): TopologyObservation["version"] {
  const match = /^(.+):(\d+)$/.exec(id ?? "");
  return match?.[1] === undefined ? null : { processId: match[1], counter: Number(match[2]) };
}

function nodeFrom(value: unknown): NodeDescription {
  const node = fieldsOf(value, "nodes[]");
  const role = node["role"];
  const replicationId = node["replicationId"];
  const zone = node["zone"];
  const observedMsAgo = node["observedMsAgo"];
  return nodeOf({
    id: textOf(node["id"], "nodes[].id"),
    host: textOf(node["host"], "nodes[].host"),
    port: numberOf(node["port"], "nodes[].port"),
    zone: typeof zone === "string" ? zone : null,
    role: role === "primary" || role === "replica" ? role : "unknown",
    state: stateFrom(node),
    replicationId: typeof replicationId === "string" ? replicationId : null,
    offset: typeof node["offset"] === "number" ? BigInt(node["offset"]) : null,
    ageMs: typeof observedMsAgo === "number" ? Math.max(0, observedMsAgo) : MOST_AGE_MS,
  });
}

/** A replica that is not in sync serves old data, or none. */
function stateFrom(node: Fields): NodeDescription["state"] {
  if (node["state"] === "down") return "down";
  return node["state"] === "up" && node["inSync"] !== false ? "up" : "suspect";
}

function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Error(`the status API's answer has no ${what}: is this a sidecar of Leasehold?`);
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Error("the status API's answer has no nodes: is this a sidecar of Leasehold?");
}

function textOf(value: unknown, what: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new Error(`the status API's answer has no ${what}`);
}

function numberOf(value: unknown, what: string): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new Error(`the status API's answer has no ${what}`);
}
