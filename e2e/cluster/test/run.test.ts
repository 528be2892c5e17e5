import { expect, test } from "vitest";
import { run, succeeds, until } from "../src/run.ts";

test("a program that fails is named, with its exit code and its last words", async () => {
  await expect(run("sh", ["-c", "echo why >&2; exit 3"])).rejects.toThrow(
    "sh -c echo why >&2; exit 3 failed with exit code 3: why",
  );
});

test("a program that takes too long is killed", async () => {
  await expect(run("sleep", ["60"], { timeoutMs: 100 })).rejects.toThrow("took longer than 100 ms");
});

test("a program that is not there is named", async () => {
  await expect(run("no-such-program", [])).rejects.toThrow(
    "no-such-program could not run (ENOENT)",
  );
});

test("a program that does not read its input may still succeed", async () => {
  expect(await succeeds("true", [], { input: "x".repeat(1_000_000) })).toBe(true);
});

test("waiting ends with what the probe found", async () => {
  let turns = 0;
  const found = await until("three turns", { timeoutMs: 5_000, pollMs: 1 }, async () => {
    turns += 1;
    return turns === 3 ? "there" : null;
  });
  expect(found).toBe("there");
});

test("waiting ends at its time-out, and says what it last met", async () => {
  const probe = () => run("sh", ["-c", "echo no such pod >&2; exit 1"]);
  await expect(until("a pod", { timeoutMs: 50, pollMs: 1 }, probe)).rejects.toThrow(
    /^a pod: not within 50 ms; last: .*no such pod$/,
  );
});
