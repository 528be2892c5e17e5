import { expect, test } from "vitest";
import { pathsIn } from "../src/paths.ts";
import { supportOf } from "../src/support.ts";

test("a machine that cannot is told why, in one sentence, with what to do", async () => {
  // Either it is no root on Linux that asks, or the folder will not do.
  const support = await supportOf(pathsIn("/run/leasehold-cache"));
  expect(support.ok).toBe(false);
  expect(support.ok ? "" : support.why).toMatch(/E2E_KUBECONFIG|LEASEHOLD_CLUSTER_CACHE/);
});
