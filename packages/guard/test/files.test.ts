import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatKill,
  formatPermit,
  formatStatus,
  parseKill,
  parsePermit,
  parseStatus,
  type GuardStatus,
} from "../src/index.ts";

const count = fc.integer({ min: 0, max: 999_999_999_999_999 });
const word = fc.stringMatching(/^[!-~]{1,40}$/);

describe("permit", () => {
  it("reads back every permit that it writes", () => {
    const permit = fc.oneof(
      fc.record({ kind: fc.constant("lead" as const), deadlineBootMs: count, nonce: word }),
      fc.record({ kind: fc.constant("follow" as const), nonce: word }),
    );
    fc.assert(
      fc.property(permit, (p) => {
        expect(parsePermit(formatPermit(p))).toEqual(p);
      }),
    );
  });

  it("cuts a broken millisecond off, so that the guard never acts later than asked", () => {
    const text = formatPermit({ kind: "lead", deadlineBootMs: 4_500.9, nonce: "n" });
    expect(text).toBe("lead 4500 n\n");
  });

  it.each([
    ["nothing", ""],
    ["half a line", "lead 1234 abc"],
    ["a deadline with a leading zero, which a shell takes for octal", "lead 0123 abc\n"],
    ["a deadline of sixteen digits", "lead 1234567890123456 abc\n"],
    ["a negative deadline", "lead -5 abc\n"],
    ["no nonce", "lead 1234\n"],
    ["a word too many", "follow abc def\n"],
    ["a second line", "follow abc\nfollow def\n"],
    ["another kind", "allow abc\n"],
  ])("is not read from %s", (_case, text) => {
    expect(parsePermit(text)).toBeNull();
  });

  it("refuses to write what the guard could not read", () => {
    expect(() => formatPermit({ kind: "follow", nonce: "a b" })).toThrow(/must be one word/);
    const lead = { kind: "lead", nonce: "n" } as const;
    expect(() => formatPermit({ ...lead, deadlineBootMs: Number.NaN })).toThrow(/deadlineBootMs/);
    expect(() => formatPermit({ ...lead, deadlineBootMs: -1 })).toThrow(/deadlineBootMs/);
    expect(() => formatPermit({ ...lead, deadlineBootMs: 1e15 })).toThrow(/15 digits/);
  });
});

describe("kill", () => {
  it("reads back every request that it writes", () => {
    const request = fc.record({ bootId: word, pid: count });
    fc.assert(
      fc.property(request, (r) => {
        expect(parseKill(formatKill(r))).toEqual(r);
      }),
    );
  });

  it.each(["", "boot 7", "boot -\n", "boot 7 8\n"])("is not read from %j", (text) => {
    expect(parseKill(text)).toBeNull();
  });
});

describe("status", () => {
  it("reads back every status that it writes, padded or not", () => {
    const status: fc.Arbitrary<GuardStatus> = fc.record({
      bootId: word,
      state: fc.constantFrom("waiting", "running", "exited", "killed"),
      pid: fc.option(count),
      uptimeMs: count,
    });
    fc.assert(
      fc.property(status, (s) => {
        const line = formatStatus(s);
        expect(parseStatus(line)).toEqual(s);
        expect(parseStatus(`${line.trimEnd().padEnd(79)}\n`)).toEqual(s);
      }),
    );
  });

  it.each([
    "",
    "boot running 7 100",
    "boot gone 7 100\n",
    "boot running x 100\n",
    "boot running 7\n",
  ])("is not read from %j", (text) => {
    expect(parseStatus(text)).toBeNull();
  });
});
