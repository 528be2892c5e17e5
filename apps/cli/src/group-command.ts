/** What every command about one group does around its own work: connect, find the group, close. */
import type { Command } from "commander";
import { withCommonFlags, type CommonFlags } from "./flags.ts";
import { connect, groupOf, needed, type Connection } from "./group/connect.ts";
import { takeSnapshot, type Snapshot } from "./group/snapshot.ts";
import { CommandError } from "./exit.ts";
import type { Session } from "./session.ts";

export interface GroupContext<Flags> extends Connection {
  readonly group: string;
  readonly flags: CommonFlags & Flags;
  readonly session: Session;
}

export function groupCommand<Flags>(
  session: Session,
  command: Command,
  run: (context: GroupContext<Flags>) => Promise<void>,
): Command {
  return withCommonFlags(command).action(
    async (name: string | undefined, flags: CommonFlags & Flags) => {
      const connection = await connect(flags, session);
      try {
        const group = await groupOf(connection, name);
        await run({ ...connection, group, flags, session });
      } finally {
        connection.close();
      }
    },
  );
}

/** Throws if there is no such group, or nothing of it may be seen. */
export async function snapshotOf(
  context: Pick<GroupContext<object>, "reader" | "namespace" | "group">,
): Promise<Snapshot> {
  const { group, namespace } = context;
  const snapshot = await takeSnapshot(context, group);
  const { lease, pods } = snapshot;
  if (lease.kind === "read" || (pods.kind === "read" && pods.value.length > 0)) return snapshot;
  if (lease.kind !== "missing") needed(lease, namespace);
  if (pods.kind !== "missing") needed(pods, namespace);
  throw new CommandError(
    "usage",
    `no group ${group} in namespace ${namespace}: neither its Lease nor a pod of it is there`,
  );
}
