import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Result } from "@leasehold/testkit/result";
import { run, type Ran } from "./leasehold.ts";

/** With `interruptAt`, sends SIGINT once its stderr holds that text. */
function leasehold(args: readonly string[], interruptAt?: string): Promise<Ran> {
  return run(args, {
    told(stderr, child) {
      if (interruptAt !== undefined && stderr.includes(interruptAt)) child.kill("SIGINT");
    },
  });
}

/** The group's folder if it is still there, and pids of processes that work in it. */
function leftoversOf({ stderr }: Ran): string[] {
  const directory = /logs in (\S+)/.exec(stderr)?.[1];
  if (directory === undefined) throw new Error("the demo did not say where its logs are");
  const pids = readdirSync("/proc").filter((name) =>
    workingDirectoryOf(name).startsWith(directory),
  );
  return existsSync(directory) ? [directory, ...pids] : pids;
}

function workingDirectoryOf(pid: string): string {
  try {
    return readlinkSync(join("/proc", pid, "cwd"));
  } catch {
    return "";
  }
}

describe("leasehold demo", () => {
  // Times are the demo's own to judge, on a machine that does nothing else; here they only tell
  // the short ways to lead from the long ones, which take a whole lease.
  test("prints a row for each act, nothing lost, and leaves nothing behind", async () => {
    const ran = await leasehold(["demo", "--json", "--act", "switchover", "--act", "redis-kill"]);
    const results = ran.stdout.trimEnd().split("\n").map(parseRow);
    expect(results.map(({ name }) => name)).toEqual(["switchover", "redis-kill"]);
    for (const result of results) {
      expect(result).toMatchObject({ lost: 0, maxWritable: 1 });
      expect(result.acknowledged).toBeGreaterThan(100);
      expect(result.writeGapMs).toBeGreaterThan(0);
      expect(result.writeGapMs).toBeLessThan(3000);
      expect(result.held).toBe(result.writeGapMs <= result.boundMs);
    }
    expect(ran.code).toBe(results.every(({ held }) => held) ? 0 : 1);
    expect(leftoversOf(ran)).toEqual([]);
  });

  test("ends everything that it started when it is interrupted in an act", async () => {
    const ran = await leasehold(["demo", "--json", "--act", "api-outage"], "act 1 of 1");
    expect(ran).toMatchObject({ code: 130, stdout: "" });
    expect(leftoversOf(ran)).toEqual([]);
  });

  test("refuses an act that it does not know, naming those that it does", async () => {
    const ran = await leasehold(["demo", "--act", "earthquake"]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("switchover, rolling-restart, redis-kill");
  });
});

test("says what to install when the engine is not there", async () => {
  const ran = await leasehold(["demo", "--engine-path", "/nowhere/redis-server"]);
  expect(ran.code).toBe(1);
  expect(ran.stderr).toMatch(/^\/nowhere\/redis-server does not run .* name its binary/);
});

function parseRow(line: string): Result {
  return JSON.parse(line) as Result;
}
