import { expect, it } from "vitest";
import { openClock, uptimeMs } from "../src/clock.ts";

it("reads /proc/uptime in milliseconds", () => {
  expect(uptimeMs("708.76 1351.50\n")).toBe(708_760);
  expect(uptimeMs("0.05 0.01\n")).toBe(50);
});

it("refuses a text that is not the uptime, instead of reading a number out of it", () => {
  expect(() => uptimeMs("")).toThrow("not two numbers");
  expect(() => uptimeMs("1e3 2\n")).toThrow("not two numbers");
});

it("reads both clocks forward", () => {
  const clock = openClock();
  const first = clock();
  const second = clock();
  expect(second.monotonicMs).toBeGreaterThan(first.monotonicMs);
  expect(second.bootMs).toBeGreaterThanOrEqual(first.bootMs);
});
