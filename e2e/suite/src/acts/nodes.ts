/** Hurts the leader's node, and heals it whatever happens. */
import type { Holder } from "../group.ts";
import type { Stage } from "../stage.ts";
import { WHOLE_MS } from "./act.ts";

type Node = ReturnType<Stage["cluster"]["node"]>;

export interface NodeFault {
  readonly begin: (node: Node) => Promise<void>;
  readonly end: (node: Node) => Promise<void>;
  readonly until: (old: Holder) => Promise<void>;
}

export async function hurtNode({ cluster, group }: Stage, fault: NodeFault): Promise<void> {
  const old = await group.holder();
  const node = cluster.node(await group.nodeOf(old.pod));
  await fault.begin(node);
  try {
    await fault.until(old);
  } finally {
    await fault.end(node);
  }
  await group.healthy(WHOLE_MS);
}
