import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AdminOutcome } from "@leasehold/redis";
import { checkUserLines } from "../src/files/redis-conf.ts";
import { changeOf, directivesOf, withDirective } from "../src/live/directives.ts";
import { followConfiguration, type LiveConfiguration } from "../src/live/live-configuration.ts";
import { readSettings, type SettingsOutcome } from "../src/settings/settings.ts";

describe("directives", () => {
  it("are read word by word, as Redis reads them", () => {
    expect(directivesOf(["MaxMemory  1gb", "", "  # hz 10", 'a "b c" \'d\' "\\"e"'])).toEqual([
      { name: "maxmemory", value: "1gb", lines: ["MaxMemory  1gb"] },
      { name: "a", value: 'b c d "e', lines: ['a "b c" \'d\' "\\"e"'] },
    ]);
    expect(directivesOf(['notify-keyspace-events ""'])[0]?.value).toBe("");
  });

  it("of several lines are one value", () => {
    const lines = ["save 3600 1", "hz 10", "save 60 100"];
    expect(directivesOf(lines).map(({ name, value }) => `${name}=${value}`)).toEqual([
      "save=3600 1 60 100",
      "hz=10",
    ]);
    const [save] = directivesOf(["save 1 1"]);
    expect(withDirective(lines, save!)).toEqual(["hz 10", "save 1 1"]);
  });

  it("differ by their words alone, and may be gone", () => {
    const change = changeOf(["hz  10", "maxclients 5", "save 1 1"], ["HZ 10", "maxclients 6"]);
    expect(change.changed.map(({ name }) => name)).toEqual(["maxclients"]);
    expect(change.removed).toEqual(["save"]);
  });
});

/** A busy machine may be slow: a test waits for the thing itself. */
function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 20_000, interval: 5 });
}

describe("a changed configuration", () => {
  let live: LiveConfiguration | null = null;
  let mounted: SettingsOutcome;
  let told: string[] = [];
  let announced: string[] = [];
  let rendered: (readonly string[])[] = [];
  let presence: AdminOutcome = { ok: true };
  let answer: (name: string) => AdminOutcome = () => ({ ok: true });

  async function mount(lines: readonly string[], more: Record<string, unknown> = {}) {
    const outcome = await readSettings({
      fileText: JSON.stringify({
        group: "orders",
        namespace: "shop",
        member: { name: "orders-0", podUid: "u", host: "10.0.0.7" },
        redis: { configuration: lines },
        ...more,
      }),
      environment: {},
    });
    if (!outcome.ok) throw new Error(outcome.errors.join("\n"));
    mounted = outcome;
    return outcome.settings;
  }

  beforeEach(async () => {
    [told, announced, rendered] = [[], [], []];
    answer = () => ({ ok: true });
    presence = { ok: true };
    live = followConfiguration({
      settings: await mount(["hz 10", "databases 16"]),
      reload: () => Promise.resolve(mounted),
      check: (lines) => void checkUserLines(lines, "aof"),
      render: (lines) => rendered.push(lines),
      admin: {
        run([command]) {
          if (!command) return Promise.resolve(presence);
          told.push(command.slice(2).join(" "));
          return Promise.resolve(answer(command[2] ?? ""));
        },
      },
      announce: (reason, words) => announced.push(`${reason}: ${words}`),
      log: pino({ level: "silent" }),
      pollMs: 2,
    });
  });
  afterEach(() => live?.stop());

  it("is set in Redis, kept for its restart, and told once", async () => {
    await mount(["hz 20", "databases 16", "maxmemory-policy allkeys-lru"]);
    await until(() => expect(announced).toHaveLength(1));
    expect(announced).toEqual(["configApplied: in force now: hz, maxmemory-policy"]);
    expect(told).toEqual(["hz 20", "maxmemory-policy allkeys-lru"]);
    expect(rendered.at(-1)).toEqual(["databases 16", "hz 20", "maxmemory-policy allkeys-lru"]);
    expect(live?.isPending()).toBe(false);
  });

  it("that Redis refuses waits for a restart, and stays out of its file", async () => {
    answer = (name) =>
      name === "databases" ? { ok: false, why: "refused", message: "immutable" } : { ok: true };
    await mount(["hz 20", "databases 32"]);
    await until(() => expect(announced).toHaveLength(2));
    expect(announced[1]).toMatch(/^restartRequired: .*: databases$/);
    expect(rendered.flat()).not.toContain("databases 32");
    expect(live?.isPending()).toBe(true);
    const asked = told.length;
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    expect(told).toHaveLength(asked);
    await mount(["hz 20", "databases 16"]);
    await until(() => expect(live?.isPending()).toBe(false));
  });

  it("is tried again while Redis takes no commands", async () => {
    answer = () => ({ ok: false, why: "notNow", message: "BUSY" });
    await mount(["hz 20", "databases 16"]);
    await until(() => expect(told.length).toBeGreaterThan(2));
    expect(rendered).toEqual([]);
    answer = () => ({ ok: true });
    await until(() => expect(announced).toEqual(["configApplied: in force now: hz"]));
  });

  it("is what a Redis starts with that could not start with the lines before", async () => {
    presence = { ok: false, why: "absent", message: "nobody" };
    answer = () => presence;
    await mount(["maxmemory 1gb"]);
    await until(() => expect(rendered).toEqual([["maxmemory 1gb"]]));
    expect(announced).toEqual([]);
    expect(live?.isPending()).toBe(false);
  });

  it("names what else has changed or gone, without its value", async () => {
    await mount(["hz 10"], { persistence: { mode: "rdb" }, log: { level: "warn" } });
    await until(() => expect(announced).toHaveLength(1));
    expect(announced[0]).toMatch(/: persistence\.mode, log\.level, databases$/);
  });

  it("that is Leasehold's own, or no configuration at all, changes nothing", async () => {
    await mount(["hz 20", "replicaof 10.0.0.1 6379"]);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    mounted = { ok: false, errors: ["redis.hz is not a key of Leasehold."] };
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    expect([told, announced, rendered]).toEqual([[], [], []]);
  });
});
