import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { followLog, type LogFollower } from "../src/demo/log-follower.ts";

let directory: string;
let file: string;
let lines: string[];
let follower: LogFollower;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "leasehold-cli-"));
  file = join(directory, "sidecar.log");
  lines = [];
  follower = followLog(file, (line) => lines.push(line));
});

afterEach(() => {
  follower.close();
  rmSync(directory, { recursive: true });
});

test("hands on lines that are appended between two polls, once", () => {
  appendFileSync(file, "one\ntwo\n");
  follower.poll();
  appendFileSync(file, "three\n");
  follower.poll();
  follower.poll();
  expect(lines).toEqual(["one", "two", "three"]);
});

test("waits for the end of a line, also in the middle of a character", () => {
  const text = Buffer.from("5 µs\n");
  appendFileSync(file, text.subarray(0, 3));
  follower.poll();
  expect(lines).toEqual([]);
  appendFileSync(file, text.subarray(3));
  follower.poll();
  expect(lines).toEqual(["5 µs"]);
});

test("takes a file that does not exist yet for an empty one", () => {
  follower.poll();
  appendFileSync(file, "first\n");
  follower.poll();
  expect(lines).toEqual(["first"]);
});
