/** One line for each action: what scenarios expect, and what a failure prints. */
import type { Action, RoleCommand } from "../../src/index.ts";

export function describe(action: Action): string {
  switch (action.type) {
    case "writeLease":
      return describeWrite(action);
    case "writePermit":
      return `permit ${action.permit.kind}`;
    case "redisRole":
      return `redis ${describeRole(action.command)}`;
    case "announce":
      return `say ${action.reason}: ${action.words}${describeGap(action)}`;
    case "writeSlice":
      return `slice ${action.slice.address?.host ?? "nobody"} epoch ${action.slice.epoch}`;
    case "finishRequest": {
      const { done, refused, words } = action.result;
      const outcome = done ? "done" : `${refused ? "refused" : "not done"}, ${words}`;
      return `finishRequest ${action.requestId}: ${outcome}`;
    }
    case "askPromises": {
      const { binding, epoch } = action.request;
      const whom = action.peers.map((peer) => peer.member).join(" ");
      return `askPromises of ${whom} epoch ${epoch} ${binding ? "binding" : "for an opinion"}`;
    }
    case "answerHandover":
      return action.attempt === null
        ? "does not accept in advance"
        : `accepts by ${action.attempt}`;
    case "answerPromise":
      return `promise ${action.answer.yes ? "yes" : "no"}: ${action.answer.reason}`;
    case "askSource":
      return `askSource ${action.closes ? "closing" : "open"}`;
    case "kill":
      return `kill ${action.pid}`;
    default:
      return action.type;
  }
}

function describeGap({ change }: Extract<Action, { type: "announce" }>): string {
  return change?.writeGapMs == null ? "" : `, no writes for ${change.writeGapMs} ms`;
}

function describeWrite(action: Extract<Action, { type: "writeLease" }>): string {
  const { record, base } = action.write;
  const verb = base === null ? "POST" : "PUT";
  const extra = record.handover === null ? "" : ` handover to ${record.handover.to}`;
  const holder = record.holder ?? "nobody";
  return `${verb} Lease ${action.reason}: holder ${holder} epoch ${record.epoch}${extra}`;
}

function describeRole(command: RoleCommand): string {
  switch (command.kind) {
    case "follow":
      return `${command.bounce ? "bounce" : "follow"} ${command.upstream.host}`;
    case "minReplicas":
      return `minReplicas ${command.count}`;
    default:
      return command.kind;
  }
}
