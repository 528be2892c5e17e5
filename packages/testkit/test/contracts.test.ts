/** The fake keeps the contract that the real API server is held to. */
import { readFileSync } from "node:fs";
import { afterAll } from "vitest";
import { describeKubernetesApi } from "../src/contracts/index.ts";
import { startFakeKubernetesApi } from "../src/fake-kubernetes-api/index.ts";

const api = await startFakeKubernetesApi();
afterAll(() => api.close());
describeKubernetesApi({ kubeconfig: api.kubeconfig(), namespace: "default" });

/** Path of a kubeconfig: the same suite against a real cluster, in its namespace `default`. */
const real = process.env["E2E_KUBECONFIG"];
if (real) describeKubernetesApi({ kubeconfig: readFileSync(real, "utf8"), namespace: "default" });
