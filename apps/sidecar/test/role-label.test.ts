import { expect, it, onTestFinished, vi } from "vitest";
import type { PodRole } from "@leasehold/kubernetes";
import type { MemberStatus } from "@leasehold/replication";
import { followRole } from "../src/role-label.ts";
import { INFO, STATUS } from "./fixtures.ts";

const TIMES = { lookMs: 5, restMs: 5, retryMs: 20, repeatMs: 60_000 };

interface Seen {
  status: MemberStatus;
  readonly asked: PodRole[];
  readonly warned: string[];
}

function start(write: (role: PodRole) => Promise<void>, times = TIMES) {
  const asked: PodRole[] = [];
  const warned: string[] = [];
  const seen: Seen = { status: STATUS, asked, warned };
  const stop = followRole({
    label: {
      write: (role) => {
        asked.push(role);
        return write(role);
      },
    },
    status: () => seen.status,
    log: { warn: (_fields: unknown, words?: string) => void warned.push(words ?? "") },
    times,
  });
  onTestFinished(stop);
  return { ...seen, seen, stop };
}

const REPLICA = { ...STATUS, writable: false, redis: { ...INFO, role: "replica" } } as const;

it("labels what the member is, once for each change", async () => {
  const { seen, asked } = start(() => Promise.resolve());
  await vi.waitFor(() => expect(asked).toEqual(["primary"]));
  seen.status = REPLICA;
  await vi.waitFor(() => expect(asked).toEqual(["primary", "replica"]));
  // Fenced, or without a Redis: neither.
  seen.status = { ...STATUS, writable: false };
  await vi.waitFor(() => expect(seen.status.writable).toBe(false));
  seen.status = { ...REPLICA, redis: null };
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(asked).toEqual(["primary", "replica"]);
});

it("tries again what failed, and complains once", async () => {
  let left = 3;
  const { asked, warned } = start(() =>
    left-- > 0 ? Promise.reject(new Error("forbidden")) : Promise.resolve(),
  );
  await vi.waitFor(() => expect(asked).toHaveLength(4));
  expect(warned).toHaveLength(1);
});

it("has one write under way at most, and none after its end", async () => {
  const { asked, seen, stop } = start(() => new Promise(() => undefined));
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  seen.status = REPLICA;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(asked).toHaveLength(1);
  stop();
});

it("writes again after a while what somebody may have taken away", async () => {
  const { asked } = start(() => Promise.resolve(), { ...TIMES, repeatMs: 30 });
  await vi.waitFor(() => expect(asked.length).toBeGreaterThan(2));
});
