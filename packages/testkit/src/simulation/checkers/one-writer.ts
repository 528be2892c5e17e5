/**
 * The promise that gives the project its name: never two members that accept writes.
 *
 * Stricter than the promise about the address: whoever could be written to counts, whatever way
 * a client came. Named exceptions (docs/protocol.md, section 9): existing connections of a Redis
 * that was frozen together with its guard, for 1 s after the thaw; a pod that was force-deleted
 * while it ran on, cut off from the API.
 */
import type { RedisServer } from "../redis/server.ts";
import { Checker } from "./checker.ts";

const EPSILON_MS = 1;

export class OneWriter extends Checker {
  readonly name = "one writer";
  readonly promise = "No two members accept writes at the same instant.";
  private readonly writable = new Set<RedisServer>();

  override redisChanged(server: RedisServer): void {
    if (!server.isWritable()) {
      this.writable.delete(server);
      return;
    }
    this.writable.add(server);
    this.check();
  }

  private check(): void {
    const { nowMs } = this.world.clock;
    for (const server of this.writable) if (!server.isWritable()) this.writable.delete(server);
    if (this.writable.size < 2) return;
    const bound = [...this.writable].filter((server) => this.world.exemptUntil(server) <= nowMs);
    if (bound.length >= 2) {
      const who = bound.map((server) => `${server.site.label} (${server.replid})`);
      this.broken(`${who.join(" and ")} would both accept a write`);
      return;
    }
    const next = Math.min(
      ...[...this.writable]
        .map((server) => this.world.exemptUntil(server))
        .filter((untilMs) => untilMs > nowMs && Number.isFinite(untilMs)),
    );
    if (Number.isFinite(next)) {
      this.world.clock.after(next - nowMs + EPSILON_MS, () => this.check());
    }
  }
}
