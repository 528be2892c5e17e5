/**
 * The cluster itself: what later tests rely on. Removes the tests' cluster if it runs, since the
 * last word is that nothing is left.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Cluster, clusterSupport, until } from "../../src/index.ts";
import { outerExists } from "../../src/network.ts";
import { leftovers } from "./leftovers.ts";

/** Cold, all binaries are built. */
const UP_MS = 40 * 60_000;
const NAMESPACE = "three-nodes";

const support = await clusterSupport();
let cluster: Cluster;

beforeEach((context) => {
  if (!support.ok) context.skip(support.why);
  if (!cluster.canInjectFaults) context.skip("E2E_KUBECONFIG names a cluster without faults");
});

beforeAll(async () => {
  if (!support.ok) return;
  cluster = await Cluster.up({ progress: (line) => console.log(`cluster: ${line}`) });
}, UP_MS);

afterEach(async () => {
  if (support.ok && outerExists()) await cluster.healAll();
});

afterAll(async () => {
  // Without one `beforeAll` has failed, and said so.
  if (outerExists()) await cluster.down();
}, 60_000);

function kubectl(...args: readonly string[]): Promise<string> {
  return cluster.kubectl(["--namespace", NAMESPACE, "--request-timeout=10s", ...args]);
}

function redis(pod: string, ...command: readonly string[]): Promise<string> {
  return kubectl("exec", pod, "--", "redis-cli", ...command);
}

async function waitUntilReady(pod: string, timeoutMs: number): Promise<void> {
  const path = '{.status.conditions[?(@.type=="Ready")].status}';
  await until(`pod ${pod} ready`, { timeoutMs }, async () => {
    return (await kubectl("get", "pod", pod, "-o", `jsonpath=${path}`)) === "True";
  });
}

function nodeOf(pod: string): Promise<string> {
  return kubectl("get", "pod", pod, "-o", "jsonpath={.spec.nodeName}");
}

function statefulSet(): string {
  const labels = { app: "redis" };
  const container = {
    name: "redis",
    image: "redis:8.0",
    args: ["--appendonly", "yes", "--appendfsync", "always", "--protected-mode", "no"],
    readinessProbe: { tcpSocket: { port: 6379 }, periodSeconds: 1 },
    securityContext: {
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [{ name: "data", mountPath: "/data" }],
  };
  const user = { runAsNonRoot: true, runAsUser: 999, runAsGroup: 999, fsGroup: 999 };
  const spread = {
    maxSkew: 1,
    topologyKey: "kubernetes.io/hostname",
    whenUnsatisfiable: "DoNotSchedule",
    labelSelector: { matchLabels: labels },
  };
  const podSpec = {
    securityContext: { ...user, seccompProfile: { type: "RuntimeDefault" } },
    topologySpreadConstraints: [spread],
    containers: [container],
  };
  const claim = {
    metadata: { name: "data" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
  };
  const restricted = { "pod-security.kubernetes.io/enforce": "restricted" };
  const items = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE, labels: restricted } },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "redis", namespace: NAMESPACE },
      spec: { selector: labels, ports: [{ port: 6379 }] },
    },
    {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "redis", namespace: NAMESPACE },
      spec: {
        serviceName: "redis",
        replicas: 3,
        podManagementPolicy: "Parallel",
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec },
        volumeClaimTemplates: [claim],
      },
    },
  ];
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}

test("three members with volumes get a node each, and reach one another by name", async () => {
  await cluster.kubectl(["apply", "-f", "-"], { input: statefulSet() });
  await Promise.all([0, 1, 2].map((index) => waitUntilReady(`redis-${index}`, 60_000)));
  const nodes = await Promise.all([0, 1, 2].map((index) => nodeOf(`redis-${index}`)));
  expect(nodes.toSorted()).toEqual(["n1", "n2", "n3"]);
  const host = `redis.${NAMESPACE}.svc.cluster.local`;
  // A name is there a moment after its pod is ready.
  await until("an answer by name", { timeoutMs: 20_000 }, async () => {
    return (await redis("redis-0", "-h", host, "ping")) === "PONG\n";
  });
});

test("a node that lost power is noticed, and its pod comes back with its data", async () => {
  await redis("redis-1", "set", "kept", "yes");
  const node = cluster.node(await nodeOf("redis-1"));
  await node.off();
  const path = '{.status.conditions[?(@.type=="Ready")].status}';
  await until(`${node.name} noticed`, { timeoutMs: 90_000 }, async () => {
    return (await kubectl("get", "node", node.name, "-o", `jsonpath=${path}`)) === "Unknown";
  });
  await node.up();
  await until("redis-1 answers", { timeoutMs: 60_000 }, () => redis("redis-1", "ping"));
  expect(await redis("redis-1", "get", "kept")).toBe("yes\n");
});

test("an API server that hangs answers nobody, and goes on where it was", async () => {
  cluster.apiServer.freeze();
  await expect(
    cluster.kubectl(["get", "nodes", "--request-timeout=2s"], { timeoutMs: 10_000 }),
  ).rejects.toThrow(/timeout|deadline/i);
  cluster.apiServer.thaw();
  await until("the API answers", { timeoutMs: 20_000 }, () => kubectl("get", "pods"));
});

test("a signal reaches one process of a container", async () => {
  const target = {
    namespace: NAMESPACE,
    pod: "redis-0",
    container: "redis",
    command: "redis-server",
  };
  await cluster.signal(target, "SIGKILL");
  const path = "{.status.containerStatuses[0].lastState.terminated.exitCode}";
  const exitCode = await until("it has ended", { timeoutMs: 30_000 }, async () => {
    return (await kubectl("get", "pod", "redis-0", "-o", `jsonpath=${path}`)) || null;
  });
  expect(exitCode).toBe("137");
});

test("packets from one node to another vanish, until they are let through again", async () => {
  const address = await kubectl("get", "pod", "redis-1", "-o", "jsonpath={.status.podIP}");
  const ping = () =>
    kubectl("exec", "redis-2", "--", "timeout", "2", "redis-cli", "-h", address, "ping");
  expect(await ping()).toBe("PONG\n");
  await cluster.node(await nodeOf("redis-1")).dropTo(await nodeOf("redis-2"));
  await expect(ping()).rejects.toThrow("exit code 124");
  await cluster.node(await nodeOf("redis-1")).heal();
  expect(await ping()).toBe("PONG\n");
});

test("a run that is killed while it brings the cluster up leaves nothing", async () => {
  await cluster.down();
  // Whoever watches its owner looks once a second.
  await expect.poll(leftovers, { timeout: 10_000 }).toEqual([]);
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  const child = spawn(process.execPath, [main, "up"], { stdio: "ignore" });
  await until("it has begun", { timeoutMs: 200_000, pollMs: 20 }, async () => outerExists());
  child.kill("SIGKILL");
  await until("all is gone", { timeoutMs: 60_000 }, async () => leftovers().length === 0);
});
