import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Action } from "@leasehold/replication";
import type { ChangeNotice } from "../src/peers/messages.ts";
import { tellOfChange } from "../src/planned-change.ts";
import { REPLICA, STATUS } from "./fixtures.ts";

const PROCESS = { runId: "r", pid: 7 };

async function told(action: Action, listeners: number): Promise<readonly string[]> {
  const heard: string[] = [];
  const words = (who: string, { successor }: ChangeNotice): number =>
    heard.push(`${who} of ${successor}`);
  tellOfChange(action, {
    identity: "orders-0_u0_n0",
    status: () => ({ ...STATUS, successor: "orders-1", peers: [{ ...REPLICA, listeners }] }),
    others: () => ["orders-1", "orders-2"].map((member) => ({ member, host: "h", peerPort: 1 })),
    peers: {
      changing: async ({ member }, notice) => {
        words(member, notice);
      },
    },
    tell: (notice) => words("own readers", notice),
  });
  await turn();
  return heard;
}

const pause = (reason: "transferSwitchover" | "promote"): Action => ({
  type: "redisRole",
  id: 1,
  reason,
  command: { kind: "pause", pauseMs: 500 },
  process: PROCESS,
});

it("a planned change is told to all readers, but not to a member that said it has none", async () => {
  expect(await told(pause("transferSwitchover"), 2)).toEqual([
    "own readers of orders-1",
    "orders-1 of orders-1",
    "orders-2 of orders-1",
  ]);
  expect(await told(pause("transferSwitchover"), 0)).toEqual([
    "own readers of orders-1",
    "orders-2 of orders-1",
  ]);
});

it("a new leader's own pause is no news", async () => {
  expect(await told(pause("promote"), 2)).toEqual([]);
});
