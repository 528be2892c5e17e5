/**
 * Everything that can be read of a group right now, each part by itself. Decides nothing.
 */
import type {
  ControlView,
  GroupReader,
  LeaseView,
  MemberView,
  PodView,
  Reading,
} from "@leasehold/kubernetes";
import type { SliceObservation } from "@leasehold/replication";
import type { Connection } from "./connect.ts";

export interface Snapshot {
  readonly group: string;
  readonly namespace: string;
  readonly lease: Reading<LeaseView>;
  readonly slice: Reading<SliceObservation>;
  readonly pods: Reading<readonly PodView[]>;
  /** Members that the StatefulSet wants. */
  readonly size: Reading<number>;
  readonly control: Reading<ControlView>;
  /** By pod name. */
  readonly members: ReadonlyMap<string, Reading<MemberView>>;
}

export async function takeSnapshot(
  { reader, namespace }: Pick<Connection, "reader" | "namespace">,
  group: string,
): Promise<Snapshot> {
  const [lease, slice, size, control, { pods, members }] = await Promise.all([
    reader.lease(group),
    reader.slice(group),
    reader.size(group),
    reader.control(group),
    readMembers(reader, group),
  ]);
  return { group, namespace, lease, slice, pods, size, control, members };
}

async function readMembers(
  reader: GroupReader,
  group: string,
): Promise<Pick<Snapshot, "pods" | "members">> {
  const pods = await reader.pods(group);
  const running = pods.kind === "read" ? pods.value.filter((pod) => pod.ip !== null) : [];
  const read = running.map(async (pod) => [pod.name, await reader.member(pod)] as const);
  return { pods, members: new Map(await Promise.all(read)) };
}
