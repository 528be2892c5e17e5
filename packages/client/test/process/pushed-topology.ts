/** A source of topology that says what the test tells it to, as a status stream would. */
import type { TopologyProvider, TopologySink } from "../../src/index.ts";
import { nodeOf } from "../../src/topology/node.ts";

/** Where a server is. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface PushedTopology {
  readonly members: Readonly<Record<string, Place>>;
  readonly provider: TopologyProvider;
  /** For a further client: it is told the same. */
  another(): TopologyProvider;
  /** The group's members, and which of them leads; null: nobody. */
  push(epoch: number, leader: Place | null): void;
  /** Greater than all that were pushed. */
  nextEpoch(): number;
  announce(deadlineMs: number): void;
  checks(): readonly string[];
}

export function pushedTopology(members: Readonly<Record<string, Place>>): PushedTopology {
  const sinks: TopologySink[] = [];
  let last: (() => void) | null = null;
  const asked: string[] = [];
  let newest = 0;
  const tell = (epoch: number, leader: Place | null): void => {
    const nodes = Object.entries(members).map(([id, { host, port }]) =>
      nodeOf({ id, host, port, role: members[id] === leader ? "primary" : "replica" }),
    );
    const leaderId = Object.keys(members).find((id) => members[id] === leader) ?? null;
    const observation = {
      source: "push",
      version: null,
      epoch,
      leaderId,
      expectedNodes: nodes.length,
      nodes,
      authoritative: true,
      via: "push" as const,
    };
    for (const sink of sinks) sink.observe(observation);
  };
  const another = (): TopologyProvider => ({
    name: "push",
    start(to) {
      sinks.push(to);
      last?.();
    },
    requestCheck: (reason) => void asked.push(reason),
  });
  return {
    members,
    provider: another(),
    another,
    push(epoch, leader) {
      newest = Math.max(newest, epoch);
      last = () => tell(epoch, leader);
      tell(epoch, leader);
    },
    nextEpoch: () => newest + 1,
    announce(deadlineMs) {
      for (const sink of sinks) sink.announce({ epoch: newest, successor: null, deadlineMs });
    },
    checks: () => asked,
  };
}
