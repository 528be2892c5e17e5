/** EndpointSlices of the write Service, as an observation of the topology. Pure. */
import { branchOf } from "./topology/branch.ts";
import { nodeOf } from "./topology/node.ts";
import type { NodeDescription, TopologyObservation } from "./types.ts";

export interface Slice {
  readonly metadata: {
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly endpoints?:
    | readonly { readonly addresses?: readonly string[]; readonly zone?: string }[]
    | null;
  readonly ports?: readonly { readonly port?: number }[] | null;
}

const EPOCH = "leasehold.dev/epoch";
const LINEAGE = "leasehold.dev/lineage";
const HOLDER = "leasehold.dev/holder";
const REDIS_PORT = 6379;

/** Of several slices, one per address family, the one of the greatest epoch speaks. */
export function observationFromSlices(slices: readonly Slice[]): TopologyObservation {
  const newest = slices.toSorted((one, other) => epochOf(other) - epochOf(one))[0];
  const node = newest ? leaderIn(newest) : null;
  return {
    source: "kubernetes",
    version: null,
    // A slice that nobody of a group has written orders nothing.
    epoch: newest && node && epochOf(newest) > 0 ? epochOf(newest) : null,
    leaderId: node?.id ?? null,
    expectedNodes: null,
    nodes: node ? [node] : [],
    // Not all nodes are in it: it must not make others forgotten.
    authoritative: false,
    via: "push",
  };
}

function epochOf({ metadata }: Slice): number {
  const epoch = Number(metadata.annotations?.[EPOCH]);
  return Number.isSafeInteger(epoch) && epoch > 0 ? epoch : 0;
}

function leaderIn(slice: Slice): NodeDescription | null {
  const [endpoint] = slice.endpoints ?? [];
  const host = endpoint?.addresses?.[0];
  if (host === undefined) return null;
  const port = slice.ports?.[0]?.port ?? REDIS_PORT;
  // A holder is `<pod>_<uid>_<nonce>`.
  const pod = slice.metadata.annotations?.[HOLDER]?.split("_", 1)[0];
  const id = pod || `${host}:${port}`;
  const lineage = parsed(slice.metadata.annotations?.[LINEAGE]);
  const branch = branchOf(lineage, { epoch: epochOf(slice), replicationId: null });
  return nodeOf({ id, host, port, zone: endpoint?.zone ?? null, role: "primary", ...branch });
}

/** What somebody else wrote must not end the watch. */
function parsed(annotation: string | undefined): unknown {
  try {
    return JSON.parse(annotation ?? "null");
  } catch {
    return null;
  }
}
