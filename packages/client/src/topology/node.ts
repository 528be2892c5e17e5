/** A node of which no more is known than what is given. Pure. */
import type { NodeDescription } from "../types.ts";

type Known = Partial<NodeDescription> & Pick<NodeDescription, "id" | "host" | "port">;

export function nodeOf(known: Known): NodeDescription {
  return {
    zone: null,
    role: "unknown",
    state: "up",
    replicationId: null,
    previousReplicationId: null,
    branchOffset: null,
    offset: null,
    stalenessMs: null,
    rttMs: null,
    ageMs: 0,
    error: null,
    ...known,
  };
}
