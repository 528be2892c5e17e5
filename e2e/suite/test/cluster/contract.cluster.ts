/** The real API server keeps the contract that the fake is held to. */
import { expect, test } from "vitest";
import { Cluster, clusterSupport } from "@leasehold/cluster";
import { describeKubernetesApi } from "@leasehold/testkit/contracts";

const NAMESPACE = "contract";

const support = await clusterSupport();
// Tests are registered with their kubeconfig: no hook is early enough.
const cluster = support.ok ? await Cluster.up() : null;

test("there is an API server to be held to the contract", async (context) => {
  if (!support.ok) context.skip(support.why);
  expect(await cluster?.kubectl(["get", "--raw", "/readyz"])).toBe("ok");
});

if (cluster !== null) {
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } };
  await cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(namespace) });
  const kubeconfig = await cluster.kubectl(["config", "view", "--raw", "--flatten", "--minify"]);
  describeKubernetesApi({ kubeconfig, namespace: NAMESPACE });
}
