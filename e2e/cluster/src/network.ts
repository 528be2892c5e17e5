/**
 * The outer network namespace, in which all of the cluster and its users live, and the switch in
 * it to which every node is plugged.
 *
 * Nothing leaves it: it has no way to the machine's network, and with it go the bridge, the cables,
 * the routes and the rules. Addresses: control plane 10.89.0.1, node I 10.89.0.(10+I), its pods
 * 10.244.I.0/24, Services 10.96.0.0/16.
 */
import { existsSync } from "node:fs";
import { CLUSTER_NAME } from "./environment.ts";
import { run, succeeds } from "./run.ts";
import type { Output, RunOptions } from "./run.ts";

export const CONTROL_PLANE_ADDRESS = "10.89.0.1";
export const SERVICE_RANGE = "10.96.0.0/16";
export const POD_RANGE = "10.244.0.0/16";
export const DNS_ADDRESS = "10.96.0.10";

export const OUTER = CLUSTER_NAME;
const BRIDGE = "lh-switch";
const TABLE = "leasehold-faults";

export interface NodeAddress {
  readonly name: string;
  readonly index: number;
}

export function addressOf({ index }: NodeAddress): string {
  return `10.89.0.${10 + index}`;
}

export function podRangeOf({ index }: NodeAddress): string {
  return `10.244.${index}.0/24`;
}

/** Of the node's own namespace, as `ip netns` names it. */
export function namespaceOf(name: string): string {
  return `${OUTER}.${name}`;
}

/** The end of the node's cable that is plugged into the switch. */
export function cableOf(name: string): string {
  return `lh-${name}`;
}

/** Arguments for `nsenter`; `ip netns exec` would hide the control groups. */
export function enter(namespace: string): string[] {
  return [`--net=/run/netns/${namespace}`, "--"];
}

/** Runs a program in the outer namespace. */
export function runInside(args: readonly string[], options: RunOptions = {}): Promise<Output> {
  return run("nsenter", [...enter(OUTER), ...args], options);
}

export function outerExists(): boolean {
  return existsSync(`/run/netns/${OUTER}`);
}

/** Makes the outer namespace and its switch, if they are not there. */
export async function createOuter(): Promise<void> {
  if (!outerExists()) await run("ip", ["netns", "add", OUTER]);
  if (await succeeds("ip", ["-n", OUTER, "link", "show", BRIDGE])) return;
  await batch(OUTER, [
    "link set lo up",
    // A fixed address: else it changes with the cables, and what others remember goes stale.
    `link add ${BRIDGE} address 02:00:0a:59:00:01 type bridge`,
    `addr add ${CONTROL_PLANE_ADDRESS}/24 dev ${BRIDGE}`,
    `link set ${BRIDGE} up`,
  ]);
  await runInside(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
  await nft([
    `add table bridge ${TABLE}`,
    ...["forward", "input", "output"].map(
      (hook) => `add chain bridge ${TABLE} ${hook} { type filter hook ${hook} priority 0; }`,
    ),
  ]);
}

export async function removeOuter(): Promise<void> {
  if (outerExists()) await run("ip", ["netns", "del", OUTER]);
}

/** Plugs the node into the switch; `all` are the nodes whose pods it has to reach. */
export async function plugIn(node: NodeAddress, all: readonly NodeAddress[]): Promise<void> {
  const namespace = namespaceOf(node.name);
  await unplug(node);
  await run("ip", ["netns", "add", namespace]);
  const cable = cableOf(node.name);
  const mac = `02:00:0a:59:00:${(10 + node.index).toString(16).padStart(2, "0")}`;
  // Made in the node's namespace and handed out: the outer namespace is no path of `ip`'s.
  await batch(OUTER, [
    `link add ${cable} type veth peer name eth0 address ${mac} netns ${namespace}`,
    `link set ${cable} master ${BRIDGE} up`,
    `route replace ${podRangeOf(node)} via ${addressOf(node)}`,
    // Services, by the kube-proxy of whichever node was plugged in last.
    `route replace ${SERVICE_RANGE} via ${addressOf(node)}`,
  ]);
  const others = all.filter(({ name }) => name !== node.name);
  await batch(namespace, [
    "link set lo up",
    `addr add ${addressOf(node)}/24 dev eth0`,
    "link set eth0 up",
    `route add default via ${CONTROL_PLANE_ADDRESS}`,
    ...others.map((other) => `route add ${podRangeOf(other)} via ${addressOf(other)}`),
  ]);
}

/** Without its namespace: a dead machine whose network lives would still answer ping. */
export async function unplug({ name }: Pick<NodeAddress, "name">): Promise<void> {
  if (existsSync(`/run/netns/${namespaceOf(name)}`)) {
    await run("ip", ["netns", "del", namespaceOf(name)]);
  }
  // It goes with the namespace of its other end, but not at once.
  if (outerExists()) await succeeds("ip", ["-n", OUTER, "link", "del", cableOf(name)]);
}

export async function setCable(name: string, state: "up" | "down"): Promise<void> {
  await run("ip", ["-n", OUTER, "link", "set", cableOf(name), state]);
}

/** "control-plane" is the switch's own address, where API server and DNS listen. */
export type Place = string;
export const CONTROL_PLANE: Place = "control-plane";

/** Rules that lose packets; each is one line for `nft`. */
export function dropRule(from: Place, to: Place): string {
  const table = `add rule bridge ${TABLE}`;
  if (from === CONTROL_PLANE) return `${table} output oifname ${cableOf(to)} drop`;
  if (to === CONTROL_PLANE) return `${table} input iifname ${cableOf(from)} drop`;
  return `${table} forward iifname ${cableOf(from)} oifname ${cableOf(to)} drop`;
}

/** Between a node and the API server, in both directions; names are still resolved. */
export function apiCutRules(node: string): string[] {
  const cable = cableOf(node);
  return [
    `add rule bridge ${TABLE} input iifname ${cable} tcp dport 6443 drop`,
    `add rule bridge ${TABLE} output oifname ${cable} tcp sport 6443 drop`,
    `add rule bridge ${TABLE} output oifname ${cable} tcp dport 10250 drop`,
  ];
}

/** Each packet to and from a node is lost with this probability. */
export function lossRules(node: string, percent: number): string[] {
  const lose = `numgen random mod 100 < ${percent} drop`;
  return ["iifname", "oifname"].map(
    (side) => `add rule bridge ${TABLE} forward ${side} ${cableOf(node)} ${lose}`,
  );
}

export async function addRules(rules: readonly string[]): Promise<void> {
  await nft(rules);
}

/** Removes every rule that names the node's cable. */
export async function removeRulesOf(node: string): Promise<void> {
  const { stdout } = await runInside(["nft", "--handle", "list", "table", "bridge", TABLE]);
  await nft(deletionsOf(stdout, cableOf(node)));
}

/** Reads what `nft --handle list table` prints. */
export function deletionsOf(listing: string, cable: string): string[] {
  let chain = "";
  return listing.split("\n").flatMap((line) => {
    chain = /^\s*chain (\S+)/.exec(line)?.[1] ?? chain;
    const handle = /# handle (\d+)$/.exec(line)?.[1];
    if (handle === undefined || !line.includes(`ifname "${cable}"`)) return [];
    return [`delete rule bridge ${TABLE} ${chain} handle ${handle}`];
  });
}

async function nft(lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  await runInside(["nft", "-f", "-"], { input: `${lines.join("\n")}\n` });
}

async function batch(namespace: string, lines: readonly string[]): Promise<void> {
  await run("ip", ["-n", namespace, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}
