/** A core for the server and another one for its clients, by `taskset` of util-linux. */
import { spawnSync } from "node:child_process";

export interface Cores {
  /** Words to put before a command, none where processes cannot be bound to a core. */
  readonly server: readonly string[];
  readonly client: readonly string[];
  /** For the reader of the figures. */
  readonly words: string;
}

export function coresFor(): Cores {
  const [server, client] = [0, 1].map((core) => ["taskset", "--cpu-list", String(core)]);
  if (!server || !client || ![server, client].every(works)) {
    return { server: [], client: [], words: "Server and clients go where the kernel puts them." };
  }
  return { server, client, words: "The server has core 0 for itself, its clients have core 1." };
}

function works([file = "", ...args]: readonly string[]): boolean {
  return spawnSync(file, [...args, process.execPath, "--version"]).status === 0;
}
