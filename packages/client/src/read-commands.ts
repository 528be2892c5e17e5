/**
 * Reads that choose a node each: of those that fit, the less busy of two.
 *
 * Guarantees: only reads can be called; a read whose node fails is asked elsewhere, within its own
 * deadline, since a read can be repeated.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import { ClientClosedError, LeaderUnavailableError, NoEligibleNodeError } from "./errors.ts";
import type { Follower } from "./follower.ts";
import { READ_COMMANDS, type ReadCommandName } from "./generated/command-names.ts";
import { eligibleNodes, pickNode, type ReadPreference } from "./selection.ts";
import type { Monitor } from "./topology/monitor.ts";
import type { NodeDescription } from "./types.ts";

/** ioredis' own commands that never write, each sent to a node that fits. */
export type ReadCommands = Pick<Redis, Extract<ReadCommandName, keyof Redis>>;

export interface ReadParts {
  readonly monitor: Monitor;
  /** The connection that sits on this node, made when it is first wanted. */
  connectionTo(node: NodeDescription, preference: ReadPreference): Follower;
  /** Commands at this node without a reply. */
  inFlight(node: NodeDescription): number;
  draw(): number;
  /** The client itself. */
  isClosed(): boolean;
  readonly waitForLeaderMs: number;
}

const LOOK_MS = 10;

export function readCommands(preference: ReadPreference, parts: ReadParts): ReadCommands {
  const read =
    (name: string) =>
    async (...args: unknown[]): Promise<unknown> => {
      const startedAtMs = performance.now();
      const failed = new Set<string>();
      for (;;) {
        const node = await choose(preference, parts, { failed, startedAtMs });
        try {
          const connection = parts.connectionTo(node, preference) as unknown as Record<
            string,
            Call
          >;
          return await Reflect.apply(connection[name] as Call, connection, args);
        } catch (error) {
          const isOver = performance.now() - startedAtMs >= parts.waitForLeaderMs;
          if (!isOfItsNode(error, parts) || isOver) throw error;
          failed.add(node.id);
        }
      }
    };
  return Object.fromEntries(READ_COMMANDS.map((name) => [name, read(name)])) as never;
}

/** It cannot be reached, or it is on no list any more and its connection was closed for that. */
function isOfItsNode(error: unknown, parts: ReadParts): boolean {
  if (error instanceof LeaderUnavailableError) return true;
  return error instanceof ClientClosedError && !parts.isClosed();
}

type Call = (...args: unknown[]) => Promise<unknown>;

async function choose(
  preference: ReadPreference,
  parts: ReadParts,
  { failed, startedAtMs }: { readonly failed: Set<string>; readonly startedAtMs: number },
): Promise<NodeDescription> {
  const { monitor, waitForLeaderMs } = parts;
  for (;;) {
    const { nodes, emptiedBy } = eligibleNodes(monitor.current(), preference);
    const untried = nodes.filter((node) => !failed.has(node.id));
    const node = pickNode(
      untried,
      (one) => parts.inFlight(one),
      () => parts.draw(),
    );
    if (node) return node;
    const waitedMs = performance.now() - startedAtMs;
    if (waitedMs >= waitForLeaderMs) {
      throw noEligibleNode(preference, emptiedBy ?? "health", { waitedMs, monitor });
    }
    // All that fit have failed: they may be back.
    failed.clear();
    await sleep(LOOK_MS);
  }
}

export function noEligibleNode(
  { mode }: ReadPreference,
  emptiedBy: string,
  { waitedMs, monitor }: { readonly waitedMs: number; readonly monitor: Monitor },
): NoEligibleNodeError {
  const { nodes } = monitor.current();
  const message =
    `No node fits ${mode} within ${Math.round(waitedMs)} ms: of ${nodes.length} known nodes ` +
    `${emptiedBy} left none. Nothing was read, retrying is safe`;
  return new NoEligibleNodeError(message, { preference: mode, emptiedBy, nodes, waitedMs });
}
