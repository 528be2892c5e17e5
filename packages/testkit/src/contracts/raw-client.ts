/**
 * The plainest possible client: one request, its code and its JSON. Contracts use it so that they
 * test the server and not our adapter. Understands the kubeconfigs that kubeadm, `kubectl create
 * token` and the fake write: inline data, a token or a client certificate.
 */
import { Agent, request as httpsRequest } from "node:https";
import { parse } from "yaml";
import type { IncomingMessage } from "node:http";

export interface Answer {
  readonly code: number;
  readonly body: Body;
}

/** An object, a list or a Status: what the server sent has the fields that its kind has. */
export interface Body {
  readonly kind: string;
  readonly reason: string;
  readonly message: string;
  readonly metadata: Metadata;
  readonly spec: Readonly<Record<string, unknown>>;
  readonly data?: Readonly<Record<string, string>>;
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[];
  readonly items: readonly Body[];
}

export interface Metadata {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly generation?: number;
}

export interface Call {
  readonly method?: string;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Instead of the kubeconfig's own token or client certificate. */
  readonly token?: string;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: Body;
}

export interface Watch {
  readonly code: number;
  /** The next event; null when the server has ended the watch. Rejects after `timeoutMs`. */
  next(timeoutMs?: number): Promise<WatchEvent | null>;
  close(): void;
}

export interface RawClient {
  call(path: string, call?: Call): Promise<Answer>;
  /** `path` with its query, without `watch=true`. */
  watch(path: string): Promise<Watch>;
  close(): void;
}

const REQUEST_MS = 10_000;
const EVENT_MS = 5_000;

export function createRawClient(kubeconfig: string): RawClient {
  const access = readKubeconfig(kubeconfig);
  const agent = new Agent({ keepAlive: true, ...access.tls });
  const { ca = "" } = access.tls;
  const agentByToken = new Agent({ ca });

  function send(path: string, call: Call): Promise<IncomingMessage> {
    const token = call.token ?? access.token;
    const text = call.body === undefined ? undefined : JSON.stringify(call.body);
    return new Promise((resolve, reject) => {
      const request = httpsRequest(access.server + path, {
        agent: call.token === undefined ? agent : agentByToken,
        method: call.method ?? "GET",
        timeout: REQUEST_MS,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(text === undefined ? {} : bodyHeaders(text, call.contentType)),
        },
      });
      request.on("timeout", () => request.destroy(new Error(`${path} did not answer`)));
      request.on("error", reject);
      request.on("response", resolve);
      request.end(text);
    });
  }

  return {
    async call(path, call = {}) {
      const response = await send(path, call);
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString("utf8");
      return { code: response.statusCode ?? 0, body: JSON.parse(text) as Body };
    },
    async watch(path) {
      const separator = path.includes("?") ? "&" : "?";
      return readWatch(await send(`${path}${separator}watch=true`, {}));
    },
    close() {
      agent.destroy();
      agentByToken.destroy();
    },
  };
}

function readWatch(response: IncomingMessage): Watch {
  const events: (WatchEvent | null)[] = [];
  let rest = "";
  let arrived = (): void => {};
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    events.push(...lines.filter(Boolean).map((line) => JSON.parse(line) as WatchEvent));
    arrived();
  });
  response.on("close", () => {
    events.push(null);
    arrived();
  });
  response.on("error", () => {});
  return {
    code: response.statusCode ?? 0,
    async next(timeoutMs = EVENT_MS) {
      const endMs = performance.now() + timeoutMs;
      for (;;) {
        const event = events.shift();
        if (event !== undefined) return event;
        await new Promise<void>((resolve, reject) => {
          const late = new Error(`no watch event within ${timeoutMs} ms`);
          const timer = setTimeout(() => reject(late), endMs - performance.now());
          arrived = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
    close: () => response.destroy(),
  };
}

/** Node sends no length with a DELETE of its own accord. */
function bodyHeaders(text: string, contentType = "application/json"): Record<string, string> {
  return { "content-type": contentType, "content-length": String(Buffer.byteLength(text)) };
}

interface Access {
  readonly server: string;
  readonly token: string | undefined;
  readonly tls: Partial<Readonly<Record<"ca" | "cert" | "key", string>>>;
}

interface Kubeconfig {
  readonly "current-context": string;
  readonly contexts: readonly Named<
    "context",
    { readonly cluster: string; readonly user: string }
  >[];
  readonly clusters: readonly Named<"cluster", Readonly<Record<string, string | undefined>>>[];
  readonly users: readonly Named<"user", Readonly<Record<string, string | undefined>>>[];
}

type Named<Key extends string, Value> = { readonly name: string } & Readonly<Record<Key, Value>>;

function readKubeconfig(text: string): Access {
  const config = parse(text) as Kubeconfig;
  const { context } = named(config.contexts, config["current-context"]);
  const { cluster } = named(config.clusters, context.cluster);
  const { user } = named(config.users, context.user);
  const data = {
    ca: cluster["certificate-authority-data"],
    cert: user["client-certificate-data"],
    key: user["client-key-data"],
  };
  const texts = Object.entries(data)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [key, Buffer.from(value ?? "", "base64").toString("utf8")]);
  const tls = Object.fromEntries(texts) as Access["tls"];
  return { server: cluster["server"] ?? "", token: user["token"], tls };
}

function named<T extends { readonly name: string }>(list: readonly T[], name: string): T {
  const found = list.find((item) => item.name === name);
  if (!found) throw new Error(`kubeconfig: no entry "${name}"`);
  return found;
}
