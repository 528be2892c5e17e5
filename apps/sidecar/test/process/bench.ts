/** What the process tests ask of a group: its members' own words, and plain Redis clients. */
import { readFileSync } from "node:fs";
import { viewOf, whole, type Group, type GroupMember } from "@leasehold/testkit/group";
import { connect } from "@leasehold/testkit/workload";

export { viewOf, whole };

/** One command on a connection of its own. Throws what Redis says, or that nobody answers. */
export async function command(
  member: GroupMember,
  ...words: readonly [string, ...string[]]
): Promise<unknown> {
  const redis = await connect({
    address: { host: member.realHost, port: member.redisPort },
    password: member.password,
    deadlineMs: 1_000,
  });
  if (!redis) throw new Error(`${member.name}: Redis does not take the connection`);
  try {
    return await redis.call(...words);
  } finally {
    redis.disconnect();
  }
}

/** True if this member's Redis acknowledged a write. */
export async function takesWrites(member: GroupMember): Promise<boolean> {
  try {
    return (await command(member, "SET", "process-test", "1")) === "OK";
  } catch {
    return false;
  }
}

/** Lines that the sidecar logged, parsed. */
export function logOf(member: GroupMember): readonly LogLine[] {
  return readFileSync(member.logFiles.sidecar, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as LogLine);
}

export interface LogLine {
  readonly level: string;
  readonly words?: string;
  readonly reason?: string;
  readonly epoch?: number;
}

/** For the message of a failed test: the last words of everybody, decided or not. */
export function lastWords(group: Group): string {
  return group.members.flatMap((member) => [member.name, ...lastLines(member)]).join("\n");
}

function lastLines(member: GroupMember): readonly string[] {
  const lines = readFileSync(member.logFiles.sidecar, "utf8").trimEnd().split("\n").slice(-8);
  return lines.map((text) => {
    if (!text.startsWith("{")) return `  ${text}`;
    const line = JSON.parse(text) as LogLine;
    return `  ${line.reason ?? line.level}: ${line.words}`;
  });
}
