import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { formatStatus } from "@leasehold/guard";
import type { GuardObservation } from "@leasehold/replication";
import { openRunDirectory, type RunDirectory } from "../src/files/run-directory.ts";

let directory = "";
let run: RunDirectory;
let bootMs = 100_000;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "run-"));
  bootMs = 100_000;
  run = openRunDirectory(directory, () => ({ monotonicMs: bootMs, bootMs }));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function status(uptimeMs: number, pid = 7): void {
  const text = formatStatus({ bootId: "b1", state: "running", pid, uptimeMs });
  writeFileSync(join(directory, "status.new"), text);
  renameSync(join(directory, "status.new"), join(directory, "status"));
}

describe("permit and kill", () => {
  it("are whole in the file when the call returns, and read back", () => {
    expect(run.readPermit()).toBeNull();
    run.writePermit({ kind: "lead", deadlineBootMs: 104_500.7, nonce: "n0" });
    expect(run.readPermit()).toEqual({ kind: "lead", deadlineBootMs: 104_500, nonce: "n0" });
    run.writePermit({ kind: "follow", nonce: "n0" });
    expect(readFileSync(join(directory, "permit"), "utf8")).toBe("follow n0\n");
    run.writeKill("b1", 7);
    expect(readFileSync(join(directory, "kill"), "utf8")).toBe("b1 7\n");
  });

  it("throw when they cannot be written", () => {
    rmSync(directory, { recursive: true });
    expect(() => run.writePermit({ kind: "follow", nonce: "n0" })).toThrow("ENOENT");
  });
});

describe("the guard's status", () => {
  it("is nothing while there is none, or half of one", () => {
    expect(run.readGuard()).toBeNull();
    writeFileSync(join(directory, "status"), "b1 running 7 1000");
    expect(run.readGuard()).toBeNull();
  });

  it("shows how far the guard's clock is from ours", () => {
    status(97_000);
    expect(run.readGuard()?.uptimeSkewMs).toBe(-3_000);
  });

  it("does not take a status from before a freeze for a wrong clock", () => {
    status(99_990);
    expect(run.readGuard()?.uptimeSkewMs).toBe(-10);
    // Written before both were frozen for 8 s, read after it.
    status(100_200);
    bootMs = 108_200;
    expect(run.readGuard()?.uptimeSkewMs).toBe(-10);
    status(108_190);
    expect(run.readGuard()?.uptimeSkewMs).toBe(-10);
  });

  it("believes a clock that stays apart", () => {
    status(99_990);
    run.readGuard();
    status(97_250);
    run.readGuard();
    status(97_500);
    bootMs = 100_250;
    expect(run.readGuard()?.uptimeSkewMs).toBe(-2_750);
  });
});

describe("watching", () => {
  it("tells each new status once and the request to stop once", async () => {
    const seen: GuardObservation[] = [];
    const stops = vi.fn<() => void>();
    const end = run.watch({ guard: (guard) => seen.push(guard), stopRequested: stops });
    status(100_000, 7);
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    status(100_250, 8);
    await vi.waitFor(() => expect(seen).toHaveLength(2));
    writeFileSync(join(directory, "stop"), "");
    await vi.waitFor(() => expect(stops).toHaveBeenCalledTimes(1));
    writeFileSync(join(directory, "stop"), "again");
    status(100_500, 9);
    await vi.waitFor(() => expect(seen).toHaveLength(3));
    end();
    expect(stops).toHaveBeenCalledTimes(1);
    expect(seen.map((guard) => guard.pid)).toEqual([7, 8, 9]);
  });

  it("tells a request to stop anew after a guard has taken the first one away", async () => {
    const stops = vi.fn<() => void>();
    const end = run.watch({ guard: () => undefined, stopRequested: stops });
    writeFileSync(join(directory, "stop"), "");
    await vi.waitFor(() => expect(stops).toHaveBeenCalledTimes(1));
    rmSync(join(directory, "stop"));
    status(100_000, 9);
    await vi.waitFor(() => expect(run.readGuard()?.pid).toBe(9));
    await setImmediate();
    writeFileSync(join(directory, "stop"), "");
    await vi.waitFor(() => expect(stops).toHaveBeenCalledTimes(2));
    end();
  });

  it("finds a request to stop that was there before", async () => {
    writeFileSync(join(directory, "stop"), "");
    const stops = vi.fn<() => void>();
    const end = run.watch({ guard: () => undefined, stopRequested: stops });
    await vi.waitFor(() => expect(stops).toHaveBeenCalledTimes(1));
    end();
  });
});
