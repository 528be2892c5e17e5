import { expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { GENERATED_FILE, generateCommandNames } from "../generate.ts";

test("the command names are those that ioredis' own table has", () => {
  expect(readFileSync(GENERATED_FILE, "utf8")).toBe(generateCommandNames());
});
