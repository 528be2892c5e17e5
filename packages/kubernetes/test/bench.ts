/** A fake API server with a client of our adapter on it, for one test. */
import { createApiClient, parseKubeconfig, type ApiClient } from "../src/index.ts";
import {
  startFakeKubernetesApi,
  type FakeKubernetesApi,
  type FakeKubernetesApiOptions,
} from "@leasehold/testkit/fake-kubernetes-api";

export const GROUP = "orders";
export const DEADLINE_MS = 2000;

export interface Bench {
  readonly api: FakeKubernetesApi;
  readonly client: ApiClient;
  /** Another client of the same server. */
  connect(identity?: string): Promise<ApiClient>;
  close(): Promise<void>;
}

export async function startBench(options: FakeKubernetesApiOptions = {}): Promise<Bench> {
  const api = await startFakeKubernetesApi({ allowLoopbackEndpoints: true, ...options });
  const clients: ApiClient[] = [];
  const connect = async (identity?: string): Promise<ApiClient> => {
    const access = await parseKubeconfig(api.kubeconfig(identity), { directory: "/" });
    const client = createApiClient(access);
    clients.push(client);
    return client;
  };
  return {
    api,
    client: await connect(),
    connect,
    async close() {
      for (const client of clients) client.close();
      await api.close();
    },
  };
}
