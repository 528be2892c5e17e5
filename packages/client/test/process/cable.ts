/**
 * A network namespace at the far end of a cable that can be taken down: whatever is sent to it is
 * lost from then on, and no socket is told. Needs root and `ip`, on Linux.
 */
import { execFileSync, spawnSync } from "node:child_process";
import type { Ground } from "./real-redis.ts";

export interface Cable {
  readonly far: Ground;
  /** This side of it, which stays as it is. */
  readonly near: Ground;
  cut(): void;
  /** Its servers must have ended. */
  remove(): void;
}

export function canLayCables(): boolean {
  return process.getuid?.() === 0 && spawnSync("ip", ["netns", "list"]).status === 0;
}

const ip = (...args: readonly string[]): void => void execFileSync("ip", args, { stdio: "pipe" });

/** One at a time for each process. */
export function layCable(): Cable {
  const name = `lh${process.pid % 100_000}`;
  const subnet = `10.213.${process.pid % 250}`;
  const remove = (): void => {
    spawnSync("ip", ["netns", "del", name]);
    spawnSync("ip", ["link", "del", `${name}h`]);
  };
  try {
    ip("netns", "add", name);
    ip("link", "add", `${name}h`, "type", "veth", "peer", "name", `${name}n`, "netns", name);
    ip("addr", "add", `${subnet}.1/24`, "dev", `${name}h`);
    ip("link", "set", `${name}h`, "up");
    ip("-n", name, "addr", "add", `${subnet}.2/24`, "dev", `${name}n`);
    ip("-n", name, "link", "set", `${name}n`, "up");
  } catch (error) {
    remove();
    throw error;
  }
  return {
    far: { host: `${subnet}.2`, run: ["ip", "netns", "exec", name] },
    near: { host: `${subnet}.1`, run: [] },
    cut: () => ip("-n", name, "link", "set", `${name}n`, "down"),
    remove,
  };
}
