import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NotSupportedError } from "../src/cluster.ts";
import { ExistingCluster } from "../src/existing-cluster.ts";
import { inject } from "../src/fault.ts";

const cluster = new ExistingCluster("/nowhere/kubeconfig", null);

test.each([
  ["off", ["n1"]],
  ["cut-api", ["n1"]],
  ["api-server", ["stop"]],
  ["controller-manager", ["stop"]],
  ["empty-volume", ["default", "data-0"]],
])("an existing cluster says that it does not support %s", async (name, args) => {
  await expect(inject(cluster, name, args)).rejects.toThrow("is not supported on this cluster");
});

test("what is not supported can be told from what failed", () => {
  expect(() => cluster.node("n1")).toThrow(NotSupportedError);
  expect(cluster.canInjectFaults).toBe(false);
});

test("a fault that nobody knows is refused with those that there are", async () => {
  await expect(inject(cluster, "burn", [])).rejects.toThrow('"burn" is no fault: use off, up,');
});

test("an image goes through the user's command", async () => {
  const folder = mkdtempSync(join(tmpdir(), "leasehold-hook-"));
  const hook = `printf '%s|' "$KUBECONFIG" >${folder}/said; printf %s >>${folder}/said`;
  await new ExistingCluster("/nowhere/kubeconfig", hook).loadImage("/a/image with space.tar");
  expect(readFileSync(join(folder, "said"), "utf8")).toBe(
    "/nowhere/kubeconfig|/a/image with space.tar",
  );
  rmSync(folder, { recursive: true });
});

test("without a command it says which one it needs", async () => {
  await expect(cluster.loadImage("/a/image.tar")).rejects.toThrow("E2E_IMAGE_HOOK");
});
