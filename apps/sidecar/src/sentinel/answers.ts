/**
 * What a Sentinel would answer about this group. Pure: from a topology and a question to a reply.
 *
 * Only questions: whatever would change something is refused, as is every name but the group's.
 * While there is no leader no address is told, so that a client asks again instead of writing to
 * who was one. All members count as Sentinels.
 */
import { createHash } from "node:crypto";
import type { Topology, TopologyNode } from "../http/topology.ts";
import type { Reply } from "./protocol.ts";

export interface SentinelFacts {
  readonly topology: Topology;
  readonly masterSet: string;
  /** Of every member. */
  readonly port: number;
}

type Answer = (facts: SentinelFacts) => Reply;

const ADDRESS = "get-master-addr-by-name";

/** By the word after SENTINEL; those that name a master set come after it is checked. */
const ABOUT_ALL: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  ["masters", (facts) => (facts.topology.leader ? [masterOf(facts)] : [])],
  ["myid", ({ topology }) => runIdOf(topology.reportedBy)],
]);
const ABOUT_ONE: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  [ADDRESS, ({ topology: { leader } }) => (leader ? [leader.host, String(leader.port)] : null)],
  ["master", (facts) => (facts.topology.leader ? masterOf(facts) : NOBODY)],
  ["replicas", (facts) => replicasOf(facts)],
  ["slaves", (facts) => replicasOf(facts)],
  ["sentinels", (facts) => othersOf(facts)],
  ["ckquorum", (facts) => quorumOf(facts)],
]);

const NOBODY: Reply = { error: "ERR Nobody leads at the moment" };
const UNKNOWN_SET: Reply = { error: "ERR No such master with that name" };

export function answerSentinel(words: readonly string[], facts: SentinelFacts): Reply {
  const [name = "", masterSet = ""] = words;
  const question = name.toLowerCase();
  const aboutAll = ABOUT_ALL.get(question);
  if (aboutAll) return aboutAll(facts);
  const aboutOne = ABOUT_ONE.get(question);
  if (!aboutOne) {
    return { error: `ERR Leasehold only answers questions: no SENTINEL ${shown(name)}` };
  }
  if (masterSet === facts.masterSet) return aboutOne(facts);
  return question === ADDRESS ? null : UNKNOWN_SET;
}

/** Words of others go into a line of the protocol: without what could end it. */
export function shown(word: string): string {
  return word.replaceAll(/[^\w+.-]/g, "?").slice(0, 32);
}

export function infoText({ topology, masterSet }: SentinelFacts): string {
  const { leader, nodes } = topology;
  const status = leader ? "ok" : "odown";
  const address = leader ? `${leader.host}:${leader.port}` : "";
  const count = Math.max(0, nodes.length - 1);
  return [
    "# Server",
    "redis_mode:sentinel",
    "# Sentinel",
    "sentinel_masters:1",
    `master0:name=${masterSet},status=${status},address=${address},slaves=${count},sentinels=${nodes.length}`,
    "",
  ].join("\r\n");
}

function masterOf({ topology, masterSet }: SentinelFacts): Reply {
  const { leader, nodes, epoch } = topology;
  return fields({
    name: masterSet,
    ip: leader?.host ?? "",
    port: leader?.port ?? 0,
    runid: runIdOf(leader?.id ?? ""),
    flags: "master",
    "role-reported": "master",
    "config-epoch": epoch,
    "num-slaves": Math.max(0, nodes.length - 1),
    "num-other-sentinels": Math.max(0, nodes.length - 1),
    quorum: majorityOf(topology),
  });
}

function replicasOf({ topology }: SentinelFacts): Reply {
  const { leader, nodes } = topology;
  return nodes
    .filter(({ id }) => id !== leader?.id)
    .map((node) =>
      fields({
        ...addressOf(node, node.port),
        flags: node.inSync && node.state === "up" ? "slave" : "slave,s_down,disconnected",
        "role-reported": "slave",
        "master-link-status": node.inSync ? "ok" : "err",
        "master-host": leader?.host ?? "?",
        "master-port": leader?.port ?? 0,
        "slave-priority": node.ineligible === null ? 100 : 0,
        "slave-repl-offset": node.offset,
      }),
    );
}

function othersOf({ topology, port }: SentinelFacts): Reply {
  return topology.nodes
    .filter(({ id }) => id !== topology.reportedBy)
    .map((node) => fields({ ...addressOf(node, port), flags: "sentinel" }));
}

function quorumOf({ topology }: SentinelFacts): Reply {
  const { nodes, leader } = topology;
  if (!leader) return { error: "NOQUORUM Nobody leads at the moment" };
  const words = "usable Sentinels. Quorum and failover authorization can be reached";
  return { simple: `OK ${nodes.length} ${words}` };
}

function addressOf({ id, host }: TopologyNode, port: number) {
  return { name: `${host}:${port}`, ip: host, port, runid: runIdOf(id) };
}

function majorityOf({ nodes }: Topology): number {
  return Math.floor(nodes.length / 2) + 1;
}

/** Sentinel gives all values as text. */
function fields(values: Readonly<Record<string, string | number>>): Reply {
  return { fields: Object.entries(values).map(([name, value]) => [name, String(value)] as const) };
}

/** 40 hexadecimal digits, as clients may expect; the same as long as the member has its name. */
function runIdOf(member: string): string {
  return createHash("sha1").update(member).digest("hex");
}
