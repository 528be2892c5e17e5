/**
 * What each role command is on the wire, and what its replies mean. Pure.
 *
 * Every list ends with `INFO replication`, so that the outcome says what Redis is after the
 * command; all of a list is sent, whatever its first reply, because the rest of a demotion is
 * needed even more when a part of it was refused.
 */
import {
  parseReplicationInfo,
  type RedisProcess,
  type RoleCommand,
  type RoleError,
  type RoleOutcome,
} from "@leasehold/replication";
import type { Command, Reply } from "./connection.ts";
import type { Refusal } from "./errors.ts";

/** Role commands that are one list; the others act by what they find. */
export type ListedCommand = Exclude<
  RoleCommand,
  { readonly kind: "verifyDemoted" } | { readonly kind: "cutWriters" }
>;

/** A replica of nobody: port 1 of the own host, where nobody listens. */
const DEMOTE: Command = ["REPLICAOF", "127.0.0.1", "1"];
/** Not our own connection; our probes are cut and come back. */
const CUT: readonly Command[] = [
  ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"],
  ["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"],
];
const UNPAUSE: Command = ["CLIENT", "UNPAUSE"];
export const WHAT_IS_IT: Command = ["INFO", "replication"];

export function wireCommands(command: ListedCommand): readonly Command[] {
  return [...changes(command), WHAT_IS_IT];
}

function changes(command: ListedCommand): readonly Command[] {
  switch (command.kind) {
    case "demote":
      return [DEMOTE, minReplicas(0), ...(command.cutClients ? [...CUT, UNPAUSE] : [])];
    case "promote":
      // One step: paused first, a replica would stop applying its stream (red-team S9).
      return [
        minReplicas(0),
        ["MULTI"],
        ["REPLICAOF", "NO", "ONE"],
        pause(command.pauseMs),
        ["EXEC"],
      ];
    case "follow": {
      const { host, port } = command.upstream;
      const follow: Command = ["REPLICAOF", host, String(port)];
      // One step: else Redis may take the refusal by port 1 for an answer of the new upstream,
      // whose socket has the same number, and stand still for 5 s (docs/adr/0016).
      return command.bounce ? [["MULTI"], DEMOTE, follow, ["EXEC"]] : [follow];
    }
    case "pause":
      return [pause(command.pauseMs)];
    case "unpause":
      return [UNPAUSE];
    case "cutClients":
      return CUT;
    case "minReplicas":
      return [minReplicas(command.count)];
  }
}

function pause(pauseMs: number): Command {
  return ["CLIENT", "PAUSE", String(Math.ceil(pauseMs)), "WRITE"];
}

function minReplicas(count: number): Command {
  return ["CONFIG", "SET", "min-replicas-to-write", String(count)];
}

/** The outcome of a list that was answered to the end: its first refusal, or what Redis is now. */
export function readOutcome(process: RedisProcess, replies: readonly Reply[]): RoleOutcome {
  const refused = replies.find((reply) => !reply.ok);
  if (refused) return failed(true, roleErrorOf(refused.refusal), refused.message);
  const last = replies.at(-1);
  const info = parseReplicationInfo(last?.ok && typeof last.value === "string" ? last.value : "");
  if ("unreadable" in info) return failed(true, "refused", info.unreadable);
  return { ok: true, process, ...info };
}

export function failed(sent: boolean, error: RoleError, message: string): RoleOutcome {
  return { ok: false, sent, error, message };
}

/** Where the contract has no word of its own, Redis has refused. */
export function roleErrorOf(refusal: Refusal): RoleError {
  return refusal === "denied" ? "refused" : refusal;
}
