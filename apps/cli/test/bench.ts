/**
 * The command line in this process, against a fake API with one group in it: three pods whose
 * public ports answer on loopback, and a leader who answers requests if he is told to.
 */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  startFakeKubernetesApi,
  type FakeKubernetesApi,
  type Identity,
  type KubernetesObject,
} from "@leasehold/testkit/fake-kubernetes-api";
import { runCommandLine } from "../src/program.ts";

export const GROUP = "orders";
export const NAMESPACE = "shop";
const NAMES = ["orders-0", "orders-1", "orders-2"];

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly identity?: string;
  readonly stdin?: string;
  readonly signal?: AbortSignal;
  readonly environment?: Readonly<Record<string, string>>;
  /** Called with all of stdout so far, whenever there is more. */
  readonly printed?: (stdout: string) => void;
}

export interface Bench {
  readonly api: FakeKubernetesApi;
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** What a member says of itself from now on; null: its port answers 500. */
  says(member: string, change: MemberChange | null): void;
  /** Answers each request as the leader would; `done` moves Lease and slice before. */
  answersRequests(done: boolean): void;
  control(): Record<string, string>;
  readonly put: (kind: string, name: string, more: object) => void;
  close(): Promise<void>;
}

export interface MemberChange {
  readonly report?: object;
  readonly status?: object;
}

export async function startBench(identities: readonly Identity[] = []): Promise<Bench> {
  const api = await startFakeKubernetesApi({
    namespace: NAMESPACE,
    allowLoopbackEndpoints: true,
    identities,
  });
  const directory = mkdtempSync(join(tmpdir(), "leasehold-cli-"));
  const changes = new Map<string, MemberChange | null>();
  const servers = await Promise.all(NAMES.map((name) => serveMember(name, changes)));
  const put = putter(api);
  putGroup(put, servers);
  return {
    api,
    put,
    run: (args, options = {}) => run(args, { ...options, api, directory }),
    says: (member, change) => void changes.set(member, change),
    answersRequests: (done) => answerRequests(api, put, done),
    control: () => dataOf(api),
    async close() {
      rmSync(directory, { recursive: true });
      await api.close();
      for (const server of servers) server.close();
    },
  };
}

async function run(
  args: readonly string[],
  bench: RunOptions & { readonly api: FakeKubernetesApi; readonly directory: string },
): Promise<Ran> {
  const kubeconfig = join(bench.directory, "kubeconfig");
  writeFileSync(kubeconfig, bench.api.kubeconfig(bench.identity));
  let stdout = "";
  let stderr = "";
  const code = await runCommandLine(args, {
    environment: { KUBECONFIG: kubeconfig, ...bench.environment },
    signal: bench.signal ?? new AbortController().signal,
    stdin: Readable.from([bench.stdin ?? ""]),
    stdout: {
      write(text) {
        stdout += text;
        bench.printed?.(stdout);
      },
    },
    stderr: { write: (text) => (stderr += text) },
    programName: "leasehold",
  });
  return { code, stdout, stderr };
}

type Put = Bench["put"];

const API_VERSION: Readonly<Record<string, string>> = {
  Lease: "coordination.k8s.io/v1",
  EndpointSlice: "discovery.k8s.io/v1",
  StatefulSet: "apps/v1",
};

function putter(api: FakeKubernetesApi): Put {
  return (kind, name, more) => {
    const { metadata = {}, ...rest } = more as Partial<KubernetesObject>;
    api.objects.put({
      apiVersion: API_VERSION[kind] ?? "v1",
      kind,
      metadata: { name, namespace: NAMESPACE, ...metadata },
      ...rest,
    });
  };
}

function putGroup(put: Put, servers: readonly Server[]): void {
  putLeader(put, "orders-0", 7);
  put("StatefulSet", GROUP, { spec: { replicas: 3 } });
  put("Service", GROUP, { spec: { ports: [{ name: "redis", port: 6380 }] } });
  put("Secret", GROUP, { data: { "redis-password": Buffer.from("p/w").toString("base64") } });
  for (const [ordinal, name] of NAMES.entries()) {
    const { port } = servers[ordinal]!.address() as AddressInfo;
    const ports = [{ name: "http", containerPort: port }];
    put("Pod", name, {
      metadata: { uid: `u${ordinal}`, labels: { "leasehold.dev/group": GROUP } },
      spec: {
        nodeName: `node-${ordinal}`,
        initContainers: [{ name: "leasehold", image: "leasehold/sidecar:1.2.3", ports }],
      },
      status: {
        phase: "Running",
        podIP: "127.0.0.1",
        conditions: [{ type: "Ready", status: "True" }],
        containerStatuses: [{ name: "redis", restartCount: ordinal }],
      },
    });
  }
}

/** Lease, slice and history as after a change to this member. */
export function putLeader(put: Put, member: string, epoch: number): void {
  const holder = identityOf(member);
  putLease(put, { member, epoch, listed: NAMES });
  put("EndpointSlice", `${GROUP}-ipv4`, {
    metadata: {
      labels: { "kubernetes.io/service-name": GROUP },
      annotations: { "leasehold.dev/epoch": String(epoch), "leasehold.dev/holder": holder },
    },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"] }],
    ports: [{ name: "redis", port: 6379 }],
  });
  const entry = { epoch, time: "2026-11-25T15:46:01.548Z", kind: "switchover", from: "orders-0" };
  const more = { to: member, lostBytesMax: 0, writeGapMs: 42, reason: "unfence", by: member };
  put("ConfigMap", `${GROUP}-history`, {
    data: { history: `nonsense\n${JSON.stringify({ ...entry, ...more, words: "leads" })}` },
  });
}

export interface LeaseSketch {
  readonly member: string;
  readonly epoch: number;
  readonly listed: readonly string[];
}

export function putLease(put: Put, { member, epoch, listed }: LeaseSketch): void {
  const note = { attached: true, position: null };
  const members = Object.fromEntries(listed.map((name) => [name, note]));
  const position = { epoch, offset: 1000, replid: "rho", runId: "run" };
  put("Lease", GROUP, {
    metadata: {
      labels: { "leasehold.dev/group": GROUP },
      annotations: {
        "leasehold.dev/epoch": String(epoch),
        "leasehold.dev/members": JSON.stringify(members),
        "leasehold.dev/position": JSON.stringify(position),
      },
    },
    spec: {
      holderIdentity: identityOf(member),
      leaseDurationSeconds: 5,
      renewTime: "2026-11-25T15:46:01.548000Z",
    },
  });
}

function identityOf(member: string): string {
  return `${member}_u${member.at(-1)}_n`;
}

async function serveMember(
  name: string,
  changes: ReadonlyMap<string, MemberChange | null>,
): Promise<Server> {
  const server = createServer((_request, response) => {
    const change = changes.get(name);
    response.writeHead(change === null ? 500 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(change === null ? {} : memberOf(name, change)));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

function memberOf(member: string, change: MemberChange = {}): object {
  const leads = member === "orders-0";
  const report = {
    member,
    epoch: 7,
    leads,
    promoted: leads,
    redis: "up",
    replid: "rho",
    position: { epoch: 7, offset: leads ? 1000 : 900, replid: "rho" },
    offset: leads ? 1000 : 900,
    inSync: true,
    follows: leads ? null : { host: "127.0.0.1", port: 6379 },
    ineligible: null,
    terminating: false,
    priority: 100,
    ...change.report,
  };
  const status = {
    epoch: 7,
    writable: leads,
    failsafe: false,
    trouble: null,
    redis: { version: "8.0.1" },
    ...change.status,
  };
  return { report, status };
}

function answerRequests(api: FakeKubernetesApi, put: Put, done: boolean): void {
  api.objects.listen(() => {
    const { request, paused, answer } = dataOf(api);
    if (request === undefined) return;
    const { id, to } = JSON.parse(request) as { readonly id: string; readonly to: string | null };
    if (answer?.includes(id)) return;
    const words = done ? `${to} took over` : "orders-1 is not in sync, or may not lead";
    const data = {
      ...(paused === undefined ? {} : { paused }),
      answer: JSON.stringify({ id, done, refused: !done, words }),
    };
    put("ConfigMap", `${GROUP}-control`, { data });
    if (done) putLeader(put, to ?? "orders-1", 8);
  });
}

function dataOf(api: FakeKubernetesApi): Record<string, string> {
  const name = `${GROUP}-control`;
  const found = api.objects.get({ resource: "configmaps", namespace: NAMESPACE, name });
  return (found?.["data"] as Record<string, string> | undefined) ?? {};
}
