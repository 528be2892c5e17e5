import { tmpdir } from "node:os";
import type { statfs } from "node:fs/promises";
import { expect, it } from "vitest";
import { openVolume } from "../src/volume.ts";

it("tells size and free space of the file system", async () => {
  const { sizeBytes, freeBytes } = (await openVolume(tmpdir()).usage())!;
  expect(sizeBytes).toBeGreaterThan(freeBytes);
  expect(freeBytes).toBeGreaterThan(0);
});

it("tells nothing of a folder that is not there", async () => {
  expect(await openVolume("/nowhere/at/all").usage()).toBeNull();
});

it("asks a disk that does not answer once, and answers without it", async () => {
  let asked = 0;
  const silent = (() => {
    asked += 1;
    return new Promise(() => undefined);
  }) as unknown as typeof statfs;
  const volume = openVolume("/data", silent);
  expect(await Promise.all([volume.usage(), volume.usage()])).toEqual([null, null]);
  expect(await volume.usage()).toBeNull();
  expect(asked).toBe(1);
});
