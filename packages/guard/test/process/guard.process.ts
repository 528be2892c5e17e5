import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { formatKill, formatPermit, type GuardStatus } from "../../src/index.ts";
import { createGuarded, killQuietly, shells, uptimeMs, type Guarded } from "./guarded.ts";

const FOLLOW = formatPermit({ kind: "follow", nonce: "n1" });
/** From the end of a permit: 0.35 s by the protocol, 10 ms as measured, more on a busy machine. */
const KILL_BOUND_MS = 500;
/** From a change of a file: one poll, and what a busy machine adds. */
const POLL_BOUND_MS = 1_000;

const lead = (ms: number): string =>
  formatPermit({ kind: "lead", deadlineBootMs: uptimeMs() + ms, nonce: "n1" });
const running = (status: GuardStatus): boolean => status.state === "running";

describe.concurrent.each(shells())("guard in $name", ({ shell }) => {
  const it = test.extend<{ guarded: Guarded }>({
    // oxlint-disable-next-line eslint/no-empty-pattern -- vitest reads the pattern
    guarded: async ({}, use) => {
      const guarded = createGuarded(shell);
      await use(guarded);
      await guarded.dispose();
    },
  });

  describe("permit", () => {
    it("starts no Redis without one, and reports its own clock while it waits", async ({
      guarded,
    }) => {
      guarded.start();
      const first = await guarded.until((status) => status.state === "waiting");
      const later = await guarded.until((status) => status.uptimeMs >= first.uptimeMs + 400);
      expect(later).toMatchObject({ bootId: first.bootId, state: "waiting", pid: null });
      expect(Math.abs(later.uptimeMs - uptimeMs())).toBeLessThan(300);
      expect(guarded.processes().length).toBeLessThanOrEqual(2);
    });

    it("starts no Redis under a lead permit that ran out", async ({ guarded }) => {
      guarded.write("permit", lead(-1));
      guarded.start();
      const first = await guarded.until((status) => status.state === "waiting");
      await guarded.until((status) => status.uptimeMs >= first.uptimeMs + 400);
      expect(guarded.status()?.state).toBe("waiting");
    });

    it("kills a writable Redis when it runs out, and starts no other before there is a new one", async ({
      guarded,
    }) => {
      guarded.write("permit", lead(60_000));
      guarded.start();
      const { pid } = await guarded.untilServing();
      await guarded.ask("REPLICAOF NO ONE");
      guarded.write("permit", lead(700));
      const deadline = performance.now() + 700;
      const killed = await guarded.until((status) => status.state === "killed");
      const lateMs = performance.now() - deadline;
      expect(killed.pid).toBe(pid);
      expect(lateMs).toBeGreaterThan(-20);
      expect(lateMs).toBeLessThan(KILL_BOUND_MS);
      const later = await guarded.until((status) => status.uptimeMs >= killed.uptimeMs + 400);
      expect(later).toMatchObject({ state: "killed", pid });
      guarded.write("permit", FOLLOW);
      const next = await guarded.until(running);
      expect(next.pid).not.toBe(pid);
    });

    it("leaves Redis alone while it is renewed in time, and for ever once it says follow", async ({
      guarded,
    }) => {
      guarded.write("permit", lead(600));
      guarded.start();
      const { pid } = await guarded.untilServing();
      for (let renewal = 0; renewal < 4; renewal += 1) {
        guarded.write("permit", lead(900));
        await sleep(300);
      }
      guarded.write("permit", FOLLOW);
      const written = await guarded.until(running);
      const later = await guarded.until((status) => status.uptimeMs >= written.uptimeMs + 1_500);
      expect(later).toMatchObject({ state: "running", pid });
    });

    it("kills a Redis that hangs when it runs out", async ({ guarded }) => {
      guarded.write("permit", lead(60_000));
      guarded.start();
      const { pid } = await guarded.untilServing();
      process.kill(pid, "SIGSTOP");
      guarded.write("permit", lead(300));
      const killed = await guarded.until(
        (status) => status.state === "killed",
        300 + KILL_BOUND_MS,
      );
      expect(killed.pid).toBe(pid);
    });

    it.for([
      ["half a line", "follow n1"],
      ["an empty file", ""],
      ["a deadline that is no number", "lead soon n1\n"],
      ["a deadline that a shell takes for octal", "lead 099999999 n1\n"],
      ["a deadline of sixteen digits", "lead 9999999999999999 n1\n"],
      ["no nonce", "lead 99999999999\n"],
      ["a word too many", "follow n1 n2\n"],
      ["text that a shell might execute", "$(touch pwned) `touch pwned` ; true\n"],
    ] as const)("kills Redis for %s instead", async ([, text], { guarded }) => {
      guarded.write("permit", FOLLOW);
      guarded.start();
      const { pid } = await guarded.until(running);
      guarded.write("permit", text);
      const killed = await guarded.until((status) => status.state === "killed", POLL_BOUND_MS);
      expect(killed.pid).toBe(pid);
      expect(() => rmSync(join(guarded.directory, "pwned"))).toThrow(/ENOENT/);
    });

    it("kills Redis when it is gone, or a directory", async ({ guarded }) => {
      guarded.write("permit", FOLLOW);
      guarded.start();
      const first = await guarded.until(running);
      rmSync(join(guarded.directory, "permit"));
      const killed = await guarded.until((status) => status.state === "killed", POLL_BOUND_MS);
      expect(killed.pid).toBe(first.pid);
      mkdirSync(join(guarded.directory, "permit"));
      const later = await guarded.until((status) => status.uptimeMs >= killed.uptimeMs + 400);
      expect(later.state).toBe("killed");
    });
  });

  describe("kill", () => {
    it("ends the process that it names, and not the one that comes after it", async ({
      guarded,
    }) => {
      guarded.write("permit", FOLLOW);
      guarded.start();
      const { pid, bootId } = await guarded.untilServing();
      process.kill(pid, "SIGSTOP");
      guarded.write("kill", formatKill({ bootId, pid }));
      await guarded.until((status) => status.pid !== pid || !running(status), POLL_BOUND_MS);
      const next = await guarded.untilServing();
      expect(next.pid).not.toBe(pid);
      expect(readFileSync(join(guarded.directory, "kill"), "utf8")).toBe("");
      const seen = await guarded.until(running);
      const later = await guarded.until((status) => status.uptimeMs >= seen.uptimeMs + 600);
      expect(later).toMatchObject({ state: "running", pid: next.pid });
    });

    it("is ignored when it names another pid or another guard", async ({ guarded }) => {
      guarded.write("permit", FOLLOW);
      guarded.start();
      const { pid, bootId } = await guarded.untilServing();
      for (const stale of [
        formatKill({ bootId, pid: pid + 1 }),
        formatKill({ bootId: "older", pid }),
        `${bootId} ${pid}`,
        `${bootId} ${pid} ${pid}\n`,
      ]) {
        guarded.write("kill", stale);
        const written = await guarded.until(running);
        const later = await guarded.until((status) => status.uptimeMs >= written.uptimeMs + 300);
        expect(later).toMatchObject({ state: "running", pid });
      }
    });

    it("takes a running BGSAVE with it, whose copies of the sockets would hold clients", async ({
      guarded,
    }) => {
      guarded.write("permit", FOLLOW);
      guarded.start();
      const { pid, bootId } = await guarded.untilServing();
      await guarded.ask(
        "REPLICAOF NO ONE\r\nCONFIG SET rdb-key-save-delay 3000000\r\nSET a 1\r\nBGSAVE",
      );
      const seen = await guarded.until(running);
      await guarded.until((status) => status.uptimeMs >= seen.uptimeMs + 300);
      expect(guarded.processes().length).toBeGreaterThanOrEqual(3);
      guarded.write("kill", formatKill({ bootId, pid }));
      guarded.write("permit", lead(-1));
      await guarded.until((status) => status.state === "killed", POLL_BOUND_MS);
      await sleep(300);
      // The guard and its sleep.
      expect(guarded.processes().length).toBeLessThanOrEqual(2);
    });
  });

  describe("restart", () => {
    it("reports a death and starts again after 0, 1 and 2 s", async ({ guarded }) => {
      guarded.write("permit", FOLLOW);
      guarded.start();
      for (const delayMs of [0, 1_000, 2_000]) {
        const { pid } = await guarded.untilServing();
        const diedAt = performance.now();
        process.kill(pid, "SIGKILL");
        await guarded.until((status) => status.pid !== pid || !running(status), POLL_BOUND_MS);
        await guarded.until((status) => running(status) && status.pid !== pid);
        const tookMs = performance.now() - diedAt;
        expect(tookMs).toBeGreaterThanOrEqual(delayMs);
        expect(tookMs).toBeLessThan(delayMs + 950);
      }
    });

    it("goes on trying when the command cannot be executed", async ({ guarded }) => {
      guarded.write("permit", FOLLOW);
      guarded.start({ command: ["/nowhere/redis-server"] });
      const first = await guarded.until((status) => status.state === "exited");
      const next = await guarded.until((status) => status.pid !== first.pid);
      expect(next.bootId).toBe(first.bootId);
    });

    it("takes a new boot id, and what an older guard left behind proves nothing", async ({
      guarded,
    }) => {
      guarded.write("permit", FOLLOW);
      guarded.start();
      const first = await guarded.untilServing();
      guarded.guard().kill("SIGKILL");
      await guarded.ended();
      killQuietly(first.pid);
      guarded.write("kill", formatKill(first));
      guarded.write("permit", lead(-1));
      guarded.write("stop", "");
      guarded.write("stopped", "");
      guarded.start();
      const next = await guarded.until((status) => status.bootId !== first.bootId);
      expect(next).toMatchObject({ state: "waiting", pid: null });
      // Else the hook of the pod's own end would let Redis go before it has handed over.
      expect(readdirSync(guarded.directory).filter((name) => name.startsWith("stop"))).toEqual([]);
    });
  });

  describe("the process it starts", () => {
    it("is Redis itself, also through an entrypoint that executes it", async ({ guarded }) => {
      const bin = join(guarded.directory, "bin");
      mkdirSync(bin);
      const entrypoint = join(bin, "docker-entrypoint.sh");
      writeFileSync(entrypoint, '#!/bin/sh\nset -e\numask 0077\nexec "$@" --maxclients 123\n');
      chmodSync(entrypoint, 0o755);
      guarded.write("permit", FOLLOW);
      guarded.start({ command: null, env: { PATH: `${bin}:${process.env["PATH"]}` } });
      const { pid } = await guarded.untilServing();
      expect(await guarded.ask("INFO server")).toContain(`process_id:${pid}\r\n`);
      expect(await guarded.ask("CONFIG GET maxclients")).toContain("123");
    });
  });

  describe("stop", () => {
    it.for(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
      "passes %s on, waits for a clean end and leaves nothing behind",
      async (signal, { guarded }) => {
        guarded.write("permit", FOLLOW);
        guarded.start();
        const { pid } = await guarded.untilServing();
        guarded.guard().kill(signal);
        expect(await guarded.ended()).toBe(0);
        expect(guarded.status()).toMatchObject({ state: "exited", pid });
        await sleep(300);
        expect(guarded.processes()).toEqual([]);
      },
    );

    it("ends at once when no Redis runs", async ({ guarded }) => {
      guarded.start();
      await guarded.until((status) => status.state === "waiting");
      guarded.guard().kill("SIGTERM");
      expect(await guarded.ended(600)).toBe(0);
    });

    it("kills a Redis that does not end in time, and says so by 137", async ({ guarded }) => {
      guarded.write("permit", FOLLOW);
      guarded.start({ env: { LEASEHOLD_STOP_TIMEOUT_SECONDS: "1" } });
      const { pid } = await guarded.untilServing();
      process.kill(pid, "SIGSTOP");
      guarded.guard().kill("SIGTERM");
      expect(await guarded.ended(3_000)).toBe(137);
      expect(guarded.status()).toMatchObject({ state: "killed", pid });
    });

    it("goes on watching the permit while Redis shuts down", async ({ guarded }) => {
      guarded.write("permit", lead(60_000));
      guarded.start();
      const { pid } = await guarded.untilServing();
      process.kill(pid, "SIGSTOP");
      guarded.guard().kill("SIGTERM");
      guarded.write("permit", lead(300));
      expect(await guarded.ended(300 + KILL_BOUND_MS + 300)).toBe(137);
    });
  });

  it.for([
    ["no run directory", { LEASEHOLD_RUN_DIR: "/nowhere" }],
    ["a stop time-out that is no number", { LEASEHOLD_STOP_TIMEOUT_SECONDS: "1m" }],
  ] as const)("refuses %s with exit code 64", async ([, env], { guarded }) => {
    guarded.start({ env });
    expect(await guarded.ended()).toBe(64);
  });
});
