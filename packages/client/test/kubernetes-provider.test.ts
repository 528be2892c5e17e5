/** A fake Kubernetes API whose watches can be swallowed, as by a network that is gone. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { kubernetesTopology, type KubernetesTopologyOptions } from "../src/kubernetes.ts";
import type { TopologyProvider } from "../src/types.ts";

const ends: (() => void)[] = [];
afterEach(() => ends.splice(0).forEach((end) => end()));

interface FakeApi {
  readonly server: Server;
  readonly lists: number[];
  readonly watches: string[];
  epoch: number;
  /** To those who ask for a list. */
  isDown: boolean;
}

/** Its watches never say a word, and never end. */
async function startApi(): Promise<FakeApi> {
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? "", "http://api").searchParams;
    if (query.get("watch")) {
      api.watches.push(query.get("timeoutSeconds") ?? "");
      response.writeHead(200).flushHeaders();
      return;
    }
    api.lists.push(performance.now());
    if (api.isDown) {
      response.writeHead(500).end();
      return;
    }
    const annotations = {
      "leasehold.dev/epoch": String(api.epoch),
      "leasehold.dev/holder": `orders-${api.epoch}_u_n`,
    };
    const items = [
      {
        metadata: { name: "orders-ipv4", annotations },
        endpoints: [{ addresses: ["10.0.0.1"] }],
        ports: [{ port: 6379 }],
      },
    ];
    response.end(JSON.stringify({ metadata: { resourceVersion: "5" }, items }));
  });
  const api: FakeApi = { server, lists: [], watches: [], epoch: 1, isDown: false };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return api;
}

function follow(api: FakeApi, options: Partial<KubernetesTopologyOptions> = {}) {
  const { port } = api.server.address() as AddressInfo;
  const cluster = { server: `http://127.0.0.1:${port}`, token: () => Promise.resolve("t") };
  const provider: TopologyProvider = kubernetesTopology({
    ...{ namespace: "shop", service: "orders", cluster },
    ...options,
  });
  const stop = new AbortController();
  ends.push(() => stop.abort());
  const found = { leader: "", faults: [] as string[] };
  provider.start(
    {
      observe: ({ leaderId }) => void (found.leader = `${leaderId}`),
      announce: () => {},
      fault: ({ cause }) => void found.faults.push((cause as Error).message),
    },
    stop.signal,
    { probe: () => Promise.reject(new Error("nothing is probed here")) },
  );
  return { provider, found };
}

test("a watch that is swallowed is noticed, and what was missed is listed", async () => {
  const api = await startApi();
  const { found } = follow(api, { silenceTimeoutMs: 1_300 });
  await expect.poll(() => api.watches.length).toBe(1);
  expect(found.leader).toBe("orders-1");
  api.epoch = 2;
  const startedAtMs = performance.now();
  await expect.poll(() => found.leader, { timeout: 5_000 }).toBe("orders-2");
  expect(performance.now() - startedAtMs).toBeLessThan(4_500);
  expect(found.faults).toEqual(["silent for 1300 ms"]);
  // A living API ends it by itself, which is no fault.
  expect(api.watches[0]).toBe("1");
});

test("by default within a minute", async () => {
  const api = await startApi();
  follow(api);
  await expect.poll(() => api.watches).toEqual(["40"]);
  expect(() => kubernetesTopology({ service: "orders", silenceTimeoutMs: 1_000 })).toThrow(
    "silenceTimeoutMs",
  );
});

test("who has reason to doubt has it listed now, in place of a watch that may be dead", async () => {
  const api = await startApi();
  const { provider, found } = follow(api);
  await expect.poll(() => api.watches.length).toBe(1);
  provider.requestCheck("rejected");
  api.epoch = 2;
  const startedAtMs = performance.now();
  provider.requestCheck("connectionLost");
  await expect.poll(() => found.leader).toBe("orders-2");
  // Else after 50 s.
  expect(performance.now() - startedAtMs).toBeLessThan(8_000);
  await expect.poll(() => api.watches.length).toBe(2);
  expect(found.faults).toEqual([]);
});

/** Also between the end of a watch and the list that comes of it. */
function doubtAllTheTime(provider: TopologyProvider): () => void {
  let next: NodeJS.Immediate;
  const doubt = (): void => {
    provider.requestCheck("noLeader");
    next = setImmediate(doubt);
  };
  doubt();
  return () => clearImmediate(next);
}

test("doubts that bring nothing new ask less and less often", async () => {
  const api = await startApi();
  const { provider, found } = follow(api);
  // The first word of a leader is news.
  await expect.poll(() => found.leader).toBe("orders-1");
  ends.push(doubtAllTheTime(provider));
  await expect.poll(() => api.lists.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(4);
  // The first request waits for its connection, and for what else starts: it may come late.
  const gaps = api.lists.slice(1).map((atMs, at) => atMs - (api.lists[at] ?? 0));
  [800, 1_700].forEach((leastMs, at) => expect(gaps[at + 1]).toBeGreaterThan(leastMs));
});

test("an API that fails is asked again soon after it is well, whoever doubts", async () => {
  const api = await startApi();
  api.isDown = true;
  const { provider, found } = follow(api);
  await expect.poll(() => found.faults.length).toBeGreaterThan(0);
  const doubt = setInterval(() => provider.requestCheck("noLeader"), 5);
  ends.push(() => clearInterval(doubt));
  api.isDown = false;
  await expect.poll(() => found.leader).toBe("orders-1");
});
