import { expect, it } from "vitest";
import { textLine } from "../src/log.ts";

it("writes a decision as a sentence with its reason and epoch, for people", () => {
  const json = JSON.stringify({
    time: "2026-01-02T03:04:05.678Z",
    level: "info",
    member: "orders-0",
    words: "took over from orders-1",
    reason: "acquireExpired",
    epoch: 7,
  });
  expect(textLine(json)).toBe(
    "03:04:05.678 orders-0 took over from orders-1 (acquireExpired, epoch 7)\n",
  );
});

it("names the level of what is not ordinary", () => {
  const json = JSON.stringify({
    time: "2026-01-02T03:04:05.678Z",
    level: "warn",
    member: "orders-0",
    words: "the slice was not read",
  });
  expect(textLine(json)).toBe("03:04:05.678 orders-0 warn: the slice was not read\n");
});
