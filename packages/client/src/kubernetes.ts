/**
 * The topology as Kubernetes has it: the EndpointSlices of the write Service carry the leader's
 * address, its name and its epoch. For pods whose service account may `list` and `watch`
 * `endpointslices` in the group's namespace.
 *
 * Guarantees: after each break of the watch everything is listed anew; a watch that the network has
 * swallowed is left after `silenceTimeoutMs`, and at once where somebody has reason to doubt; the
 * token is read from its file for each request, since it changes. Knows the leader alone: for reads
 * from replicas add another source.
 */
import { readFile } from "node:fs/promises";
import { request, type IncomingMessage, type IncomingHttpHeaders } from "node:http";
import { request as requestHttps } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { backoffMs } from "./backoff.ts";
import { InvalidOptionError } from "./errors.ts";
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
  /** Default 50000 ms. A watch is asked to end sooner: only a dead one is silent for so long. */
  readonly silenceTimeoutMs?: number;
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
/** A list is answered in that time. */
const ANSWER_MS = 10_000;
const SILENCE_MS = 50_000;
/** Of the silence, that a watch may take: it ends by itself before it is called silent. */
const WATCH_SHARE = 0.8;
/** Doubts that are not confirmed ask for lists further and further apart: all clients have them. */
const LEAST_MS = 500;
const MOST_MS = 10_000;

/**
 * Watches the EndpointSlices of the write Service, with epochs. Knows the leader alone.
 *
 * @throws InvalidOptionError
 */
export function kubernetesTopology(options: KubernetesTopologyOptions): TopologyProvider {
  const { silenceTimeoutMs: silenceMs = SILENCE_MS } = options;
  if (!(silenceMs >= 1_250)) {
    throw new InvalidOptionError("silenceTimeoutMs", "must be 1250 or more");
  }
  let hurry = (): void => {};
  return {
    name: "kubernetes",
    start(sink, signal) {
      const following = { sink, signal, silenceMs, doubt: createDoubt(signal) };
      hurry = following.doubt.begin;
      follow(options, following).catch((error: Error) => sink.fault(error));
    },
    // Who is short of replicas leads none the less.
    requestCheck: (reason) => (reason === "rejected" ? undefined : hurry()),
  };
}

interface Following {
  readonly sink: TopologySink;
  readonly signal: AbortSignal;
  readonly silenceMs: number;
  readonly doubt: Doubt;
}

interface Doubt {
  /** Ends what is under way, at once or as soon as it may. */
  begin(this: void): void;
  /** A list is about to be asked for; what it returns ends with the next doubt. */
  listing(): AbortSignal;
  /** Of the last list: who leads. */
  listed(leader: string): void;
}

function createDoubt(stop: AbortSignal): Doubt {
  let current = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let [listedAtMs, gapMs, known] = [-Infinity, LEAST_MS, ""];
  stop.addEventListener("abort", () => clearTimeout(timer), { once: true });
  return {
    begin() {
      const end = (): void => {
        timer = undefined;
        gapMs = Math.min(2 * gapMs, MOST_MS);
        current.abort();
      };
      // The list that a doubt has just asked for comes after this one, too.
      const isListing = timer !== undefined || current.signal.aborted;
      if (stop.aborted || isListing) return;
      timer = setTimeout(end, Math.max(0, listedAtMs + gapMs - performance.now()));
      timer.unref();
    },
    listing() {
      listedAtMs = performance.now();
      current = new AbortController();
      return current.signal;
    },
    listed(leader) {
      if (leader !== known) gapMs = LEAST_MS;
      known = leader;
    },
  };
}

async function follow(options: KubernetesTopologyOptions, following: Following): Promise<void> {
  const { sink, signal, doubt } = following;
  for (let failures = 0; !signal.aborted; failures += 1) {
    const doubted = doubt.listing();
    try {
      await listAndWatch(options, following, doubted);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      if (doubted.aborted) continue;
      const what = `the EndpointSlices of ${options.service} cannot be watched`;
      sink.fault(new Error(`${what}: may this account list and watch them?`, { cause: error }));
    }
    // oxlint-disable-next-line no-restricted-properties -- a pause that no test replays
    const pauseMs = 20 + backoffMs(failures, Math.random);
    const either = AbortSignal.any([signal, doubted]);
    await sleep(pauseMs, undefined, { signal: either, ref: false }).catch(() => {});
  }
}

/** Resolves when the watch ends, as each does; rejects when it is doubted. */
async function listAndWatch(
  options: KubernetesTopologyOptions,
  { sink, signal: stop, silenceMs, doubt }: Following,
  doubted: AbortSignal,
): Promise<void> {
  const cluster = options.cluster ?? (await clusterOfPod());
  const namespace = options.namespace ?? (await readFile(`${ACCOUNT}/namespace`, "utf8")).trim();
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
  const selector = `labelSelector=${encodeURIComponent(`kubernetes.io/service-name=${options.service}`)}`;
  const get = (query: string, asking: Asking): Promise<IncomingMessage> =>
    ask(cluster, `${path}?${selector}${query}`, asking);

  const signal = AbortSignal.any([stop, doubted]);
  const answer = await get("", { signal: stop, silenceMs: ANSWER_MS });
  const list = JSON.parse(await textOf(answer)) as SliceList;
  const slices = new Map(list.items.map((slice) => [slice.metadata.name, slice]));
  const tell = (): void => {
    const observation = observationFromSlices([...slices.values()]);
    doubt.listed(`${observation.epoch} ${observation.leaderId}`);
    sink.observe(observation);
  };
  tell();
  const seconds = Math.floor((silenceMs * WATCH_SHARE) / 1_000);
  const from = `&watch=1&timeoutSeconds=${seconds}&resourceVersion=${list.metadata.resourceVersion}`;
  for await (const line of linesOf(await get(from, { signal, silenceMs }))) {
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
    let answer: IncomingMessage | null = null;
    const call = (isTls ? requestHttps : request)(
      url,
      { headers, signal, agent: false, ...trust },
      (response) => {
        if (response.statusCode === 200) {
          answer = response;
          resolve(response);
          return;
        }
        reject(new Error(`Kubernetes answered ${response.statusCode}`));
        response.destroy();
      },
    );
    call.setTimeout(silenceMs, () => {
      (answer ?? call).destroy(new Error(`silent for ${silenceMs} ms`));
    });
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
