/**
 * The topology as Kubernetes has it: the EndpointSlices of the write Service carry the leader's
 * address, its name and its epoch. For pods whose service account may `list` and `watch`
 * `endpointslices` in the group's namespace.
 *
 * Guarantees: after each break of the watch everything is listed anew; the token is read from its
 * file for each request, since it changes. Knows the leader alone: for reads from replicas add
 * another source.
 */
import { readFile } from "node:fs/promises";
import { request, type IncomingMessage, type IncomingHttpHeaders } from "node:http";
import { request as requestHttps } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { backoffMs } from "./backoff.ts";
import { observationFromSlices, type Slice } from "./kubernetes-slices.ts";
import type { TopologyProvider, TopologySink } from "./types.ts";

/** Of `kubernetesTopology`. */
export interface KubernetesTopologyOptions {
  /** Of the group. Default: that of this pod. */
  readonly namespace?: string;
  /** The write Service, which bears the group's name. */
  readonly service: string;
  /** Default: as a pod finds it. */
  readonly cluster?: Cluster;
}

/** How to reach the Kubernetes API. */
export interface Cluster {
  /** `https://host:port` */
  readonly server: string;
  /** PEM. */
  readonly ca?: string;
  /** Asked for each request, since it changes. */
  readonly token: () => Promise<string>;
}

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
const IN_A_POD = "https://kubernetes.default.svc";
const WATCH_SECONDS = 240;
/** A list is answered in that time; a watch ends by itself before it is that silent. */
const ANSWER_MS = 10_000;
const SILENCE_MS = (WATCH_SECONDS + 30) * 1_000;

/** Watches the EndpointSlices of the write Service, with epochs. Knows the leader alone. */
export function kubernetesTopology(options: KubernetesTopologyOptions): TopologyProvider {
  return {
    name: "kubernetes",
    start(sink, signal) {
      follow(options, { sink, signal }).catch((error: Error) => sink.fault(error));
    },
    // What changes is pushed.
    requestCheck() {},
  };
}

interface Following {
  readonly sink: TopologySink;
  readonly signal: AbortSignal;
}

async function follow(options: KubernetesTopologyOptions, following: Following): Promise<void> {
  const { sink, signal } = following;
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      await listAndWatch(options, following);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      const what = `the EndpointSlices of ${options.service} cannot be watched`;
      sink.fault(new Error(`${what}: may this account list and watch them?`, { cause: error }));
    }
    // oxlint-disable-next-line no-restricted-properties -- a pause that no test replays
    const pauseMs = 20 + backoffMs(failures, Math.random);
    await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {});
  }
}

/** Resolves when the watch ends, as each does. */
async function listAndWatch(
  options: KubernetesTopologyOptions,
  { sink, signal }: Following,
): Promise<void> {
  const cluster = options.cluster ?? (await clusterOfPod());
  const namespace = options.namespace ?? (await readFile(`${ACCOUNT}/namespace`, "utf8")).trim();
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  const selector = `labelSelector=${encodeURIComponent(`kubernetes.io/service-name=${options.service}`)}`;
  const get = (query: string, silenceMs: number): Promise<IncomingMessage> =>
    ask(cluster, `${path}?${selector}${query}`, { signal, silenceMs });

  const list = JSON.parse(await textOf(await get("", ANSWER_MS))) as SliceList;
  const slices = new Map(list.items.map((slice) => [slice.metadata.name, slice]));
  const tell = (): void => sink.observe(observationFromSlices([...slices.values()]));
  tell();
  const from = `&watch=1&timeoutSeconds=${WATCH_SECONDS}&resourceVersion=${list.metadata.resourceVersion}`;
  for await (const line of linesOf(await get(from, SILENCE_MS))) {
    const { type, object } = JSON.parse(line) as { type: string; object: Slice };
    // The version is too old, and the like: list anew.
    if (type === "ERROR") return;
    if (type === "DELETED") slices.delete(object.metadata.name);
    else slices.set(object.metadata.name, object);
    tell();
  }
}

interface SliceList {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly Slice[];
}

async function clusterOfPod(): Promise<Cluster> {
  const ca = await readFile(`${ACCOUNT}/ca.crt`, "utf8");
  return { server: IN_A_POD, ca, token: () => readFile(`${ACCOUNT}/token`, "utf8") };
}

interface Asking {
  readonly signal: AbortSignal;
  readonly silenceMs: number;
}

async function ask(cluster: Cluster, path: string, asking: Asking): Promise<IncomingMessage> {
  const { signal, silenceMs } = asking;
  const authorization = `Bearer ${(await cluster.token()).trim()}`;
  const headers: IncomingHttpHeaders = { authorization, accept: "application/json" };
  const isTls = cluster.server.startsWith("https:");
  const trust = isTls && cluster.ca !== undefined ? { ca: cluster.ca } : {};
  return new Promise((resolve, reject) => {
    const url = new URL(path, cluster.server);
    const call = (isTls ? requestHttps : request)(
      url,
      { headers, signal, agent: false, ...trust },
      (response) => {
        if (response.statusCode === 200) {
          resolve(response);
          return;
        }
        reject(new Error(`Kubernetes answered ${response.statusCode}`));
        response.destroy();
      },
    );
    call.setTimeout(silenceMs, () => call.destroy(new Error(`silent for ${silenceMs} ms`)));
    // Behind the answer an error ends the reading of it.
    call.on("error", reject);
    call.end();
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const piece of response.setEncoding("utf8")) text += String(piece);
  return text;
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of response.setEncoding("utf8")) {
    const lines = (rest + String(piece)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
  }
}
