/** The scripts of the pod. What the guard does is tested where it is made, in packages/guard. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { CHART, chartFile, find, GROUP, render } from "./render.ts";

const PRESTOP = join(CHART, "files/prestop.sh");

test("the guard in the pods is the one of packages/guard, byte by byte", async () => {
  const source = fileURLToPath(import.meta.resolve("@leasehold/guard/redis.sh"));
  const { data } = find(await render(), "ConfigMap", `${GROUP}-scripts`);
  expect(data["redis.sh"]).toBe(readFileSync(source, "utf8"));
  expect(data["prestop.sh"]).toBe(chartFile("files/prestop.sh"));
});

test("shellcheck has nothing to say", ({ skip }) => {
  const { error, stdout, status } = spawnSync("shellcheck", [PRESTOP], { encoding: "utf8" });
  if (error) skip("shellcheck is not installed");
  expect(stdout).toBe("");
  expect(status).toBe(0);
});

const SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"]].filter(
  ([program = ""]) => spawnSync(program, ["--help"]).error === undefined,
);

describe.each(SHELLS)("the preStop hook in %s", (program = "", ...options) => {
  function start(seconds: string, folder = "") {
    const volume = mkdtempSync(join(tmpdir(), "leasehold-prestop-"));
    onTestFinished(() => rmSync(volume, { recursive: true }));
    const run = join(volume, folder);
    const startedAt = performance.now();
    const child = spawn(program, [...options, PRESTOP, seconds], {
      env: { ...process.env, LEASEHOLD_RUN_DIR: run },
    });
    const ended = new Promise<{ code: number | null; ms: number }>((resolve) => {
      child.once("exit", (code) => resolve({ code, ms: performance.now() - startedAt }));
    });
    return { run, ended };
  }

  test("asks, and ends as soon as the sidecar has handed over", async () => {
    const { run, ended } = start("30");
    await vi.waitFor(() => expect(existsSync(join(run, "stop"))).toBe(true), 5_000);
    writeFileSync(join(run, "stopped"), "");
    const { code, ms } = await ended;
    expect(code).toBe(0);
    expect(ms).toBeLessThan(10_000);
  });

  test("waits no longer than it is told to", async () => {
    const { code, ms } = await start("2").ended;
    expect(code).toBe(0);
    // Whole seconds of the clock count.
    expect(ms).toBeGreaterThan(950);
    expect(ms).toBeLessThan(10_000);
  });

  test("does not hold up the end of a pod that has no volume to ask over", async () => {
    const { ms } = await start("30", "not-there").ended;
    expect(ms).toBeLessThan(10_000);
  });
});
