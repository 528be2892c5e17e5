/** What each role command is on the wire, executed at once as a pipeline is. */
import type { RoleCommand, RoleOutcome } from "@leasehold/replication";
import type { RedisServer } from "../redis/server.ts";
import type { Connection } from "../redis/types.ts";
import type { World } from "../world.ts";

const GATE = { host: "127.0.0.1", port: 1 };
const SECOND_LOOK_MS = 250;

export interface CommandTarget {
  readonly world: World;
  readonly server: RedisServer;
  readonly connection: Connection;
}

export function execute(
  target: CommandTarget,
  command: RoleCommand,
  answer: (outcome: RoleOutcome) => void,
): void {
  const { server, world } = target;
  const refusal = refusalOf(server, command);
  if (refusal !== null) {
    answer(refusal);
    return;
  }
  if (command.kind !== "verifyDemoted") {
    run(target, command);
    answer(outcomeOf(server));
    return;
  }
  const looksPrimary = server.role === "primary";
  world.clock.after(SECOND_LOOK_MS, () =>
    server.submit(target.connection, () => {
      const outcome = outcomeOf(server);
      answer(looksPrimary ? { ...outcome, role: "primary" } : outcome);
    }),
  );
}

function run({ server, connection, world }: CommandTarget, command: RoleCommand): void {
  switch (command.kind) {
    case "demote":
      server.follow(GATE);
      server.minReplicas = 0;
      if (command.cutClients) {
        server.cutClients(connection);
        server.writes.unpause();
      }
      return;
    case "promote":
      // One transaction: nothing is written between the promotion and the pause.
      server.writes.pause(command.pauseMs);
      server.promote();
      // A server without a backlog would change its replid with its first replica: PSYNC ? -1.
      server.ensureBacklog();
      world.judge.promoted(server, command.epoch);
      return;
    case "follow":
      if (command.bounce) server.follow(GATE);
      server.follow(command.upstream);
      return;
    case "pause":
      server.writes.pause(command.pauseMs);
      return;
    case "unpause":
      server.writes.unpause();
      return;
    case "cutClients":
      server.cutClients(connection);
      return;
    case "cutWriters":
      if (server.role === "primary") return;
      server.cutClients(
        connection,
        [...server.connections].filter(({ lastWrote }) => lastWrote),
      );
      return;
    case "minReplicas":
      server.minReplicas = command.count;
      return;
    case "verifyDemoted":
      return;
  }
}

function refusalOf(server: RedisServer, command: RoleCommand): RoleOutcome | null {
  const changesRole = ["demote", "promote", "follow"].includes(command.kind);
  if (server.isBusy()) {
    return { ok: false, sent: true, error: "busy", message: "BUSY Redis is busy running a script" };
  }
  if (server.loading && changesRole) {
    return { ok: false, sent: true, error: "loading", message: "LOADING Redis is loading" };
  }
  return null;
}

function outcomeOf(server: RedisServer): RoleOutcome & { readonly ok: true } {
  const { runId, pid, role, replid, offset } = server;
  return { ok: true, process: { runId, pid }, role, replid, offset };
}
