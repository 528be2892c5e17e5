/** The fake keeps the contract that the real API server is held to. */
import { afterAll } from "vitest";
import { describeKubernetesApi } from "../src/contracts/index.ts";
import { startFakeKubernetesApi } from "../src/fake-kubernetes-api/index.ts";

const api = await startFakeKubernetesApi();
afterAll(() => api.close());
describeKubernetesApi({ kubeconfig: api.kubeconfig(), namespace: "default" });
