/**
 * Which clients of a replica write to it, by `CLIENT LIST`: it names each one's last command, which
 * is noted before Redis refuses it. Pure.
 *
 * Guarantees: who ran nothing but reads last is never chosen. Whether a command writes is what the
 * server itself says of it (`COMMAND INFO`), so that modules and engines have theirs; what it does
 * not know writes nothing. Who asks last for a replica's confirmation has written. A script or a
 * transaction may have written, or not: who ran one last is chosen if that is wanted, else only
 * when no plain writer explains the refusals. Does not see who writes and reads in turn while it
 * reads: the next look may; nor who sends each write in one piece with a read behind it.
 */
import type { Command } from "./connection.ts";

export interface ListedClient {
  readonly id: number;
  /** Its last command in lower case, `xgroup|create` with its part. */
  readonly command: string;
}

/**
 * At a time, since each cut costs 0.1 ms among 10,000 clients. Who is left over is refused again,
 * and found again.
 */
export const MAX_CUT = 200;

/** Sent behind a write; Redis refuses them on a replica, to whoever takes that for a primary. */
const CONFIRMS = new Set(["wait", "waitaof"]);
const MAY_WRITE = new Set(["eval", "evalsha", "fcall", "exec"]);

export function listedClients(clientList: string, ownId: number): readonly ListedClient[] {
  return clientList.split("\n").flatMap((line) => {
    const id = Number(/(?:^| )id=(\d+)/.exec(line)?.[1]);
    const command = / cmd=(\S+)/.exec(line)?.[1]?.toLowerCase();
    return Number.isNaN(id) || id === ownId || command === undefined ? [] : [{ id, command }];
  });
}

/** What the server is to be asked of; null: there is nobody to ask about. */
export function commandInfo(clients: readonly ListedClient[]): Command | null {
  const names = [...new Set(clients.map(({ command }) => command))];
  return names.length === 0 ? null : ["COMMAND", "INFO", ...names];
}

/** Reads the answer to `commandInfo`: each entry is null, or a name, its arity, and its flags. */
export function writingCommands(reply: unknown): ReadonlySet<string> {
  const entries: readonly unknown[] = Array.isArray(reply) ? reply : [];
  return new Set(
    entries.flatMap((entry) => {
      const parts: readonly unknown[] = Array.isArray(entry) ? entry : [];
      const [name, , flags] = parts;
      const writes = Array.isArray(flags) && flags.includes("write");
      return writes && typeof name === "string" ? [name.toLowerCase()] : [];
    }),
  );
}

export function strayWriters(
  clients: readonly ListedClient[],
  writing: ReadonlySet<string>,
  scripts = false,
): readonly number[] {
  const plain = clients.filter(({ command }) => writing.has(command) || CONFIRMS.has(command));
  const possible = clients.filter(({ command }) => MAY_WRITE.has(command));
  const chosen = scripts || plain.length === 0 ? [...plain, ...possible] : plain;
  return chosen.slice(0, MAX_CUT).map(({ id }) => id);
}
