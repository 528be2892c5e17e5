import { expect, test } from "vitest";
import { soak } from "../bench/soak.ts";

test("row 30: ten seconds of changes of the leader leave no timer, listener or socket behind", async () => {
  const { rows, text } = await soak(10, 100);
  console.log(`row 30:\n${text}`);
  const found = rows as { measure: string; growth: number; allowed: number }[];
  // The heap is left to `npm run bench -- soak`: it takes minutes until it has warmed up.
  const grown = found.filter(
    ({ measure, growth, allowed }) => measure !== "heap" && growth > allowed,
  );
  expect(grown).toEqual([]);
});
