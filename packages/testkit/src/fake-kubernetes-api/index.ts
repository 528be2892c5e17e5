/**
 * A Kubernetes API server for tests and the demo: HTTPS on loopback, objects in memory, the
 * semantics that Leasehold relies on, and faults on demand.
 *
 * `contracts/kubernetes-api.ts` runs the same assertions against it and against a real
 * kube-apiserver. It has no controllers: who needs pods to end or a StatefulSet to act does it
 * through `objects`.
 */
import { createServer } from "node:https";
import { createLoopbackCertificate } from "./certificate.ts";
import { createFaultBoard } from "./faults.ts";
import { createObjectStore, keyOf } from "./object-store.ts";
import { createRegistry } from "./registry.ts";
import { RESOURCES, resourceOf } from "./resources.ts";
import { serve } from "./server.ts";
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Identity, Verb } from "./authorization.ts";
import type { FaultBoard, Faults } from "./faults.ts";
import type { KubernetesObject } from "./object.ts";
import type { Change, ObjectStore } from "./object-store.ts";
import type { ParsedRequest } from "./request.ts";
import type { Resource } from "./resources.ts";
import type { OpenWatch } from "./watch.ts";

export type { Identity, PolicyRule, Role, Verb } from "./authorization.ts";
export type { Fault, FaultScope, Faults } from "./faults.ts";
export type { KubernetesObject, ObjectMeta } from "./object.ts";
export type { Change } from "./object-store.ts";

export interface FakeKubernetesApiOptions {
  /** 0, the default: any free port. */
  readonly port?: number;
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** Namespace in the kubeconfig. Default `default`. */
  readonly namespace?: string;
  /** Besides `admin`, who has no role and may do everything. */
  readonly identities?: readonly Identity[];
  /** Slices may hold 127.x, which a real server refuses. Default false. */
  readonly allowLoopbackEndpoints?: boolean;
  /** Changes per resource that a watch can look back. Default 1000. */
  readonly historyLength?: number;
  /** Default 60 s, as in the real server. */
  readonly bookmarkIntervalMs?: number;
}

export interface ObjectReference {
  /** Plural: `leases`, `pods`. */
  readonly resource: string;
  readonly namespace?: string;
  readonly name: string;
}

/** The objects, past authorisation, faults and compare-and-swap. */
export interface FakeObjects {
  get(reference: ObjectReference): KubernetesObject | null;
  list(resource: string, namespace?: string): readonly KubernetesObject[];
  /** Creates or overwrites, status included. An object without uid keeps or gets one. */
  put(object: KubernetesObject): KubernetesObject;
  /** Takes it away for good, whatever its grace period. */
  remove(reference: ObjectReference): void;
  /** Called for every change, after it. Returns the function that ends it. */
  listen(listener: (change: Change) => void): () => void;
}

/** How often somebody did something; names of Events are left out. */
export interface Usage {
  readonly identity: string;
  readonly verb: Verb;
  readonly group: string;
  readonly resource: string;
  readonly name: string | null;
  readonly count: number;
}

export interface FakeKubernetesApi {
  readonly url: string;
  readonly port: number;
  /** PEM. */
  readonly ca: string;
  /** Bearer token of an identity; of `admin` by default. */
  token(identity?: string): string;
  /** Text of a kubeconfig file for an identity; `admin` by default. */
  kubeconfig(identity?: string): string;
  readonly objects: FakeObjects;
  readonly faults: Faults;
  usage(): readonly Usage[];
  /** Cuts all connections and waits until the port is free. */
  close(): Promise<void>;
}

const MAX_USAGE_ROWS = 10_000;
const ADMIN = "admin";

export async function startFakeKubernetesApi(
  options: FakeKubernetesApiOptions = {},
): Promise<FakeKubernetesApi> {
  const { host = "127.0.0.1", namespace = "default" } = options;
  const store = createObjectStore(options.historyLength ?? 1000);
  const registry = createRegistry({
    store,
    allowLoopbackEndpoints: options.allowLoopbackEndpoints ?? false,
  });
  const certificate = createLoopbackCertificate();
  const people = [{ name: ADMIN }, ...(options.identities ?? [])];
  const tokens = new Map(people.map(({ name }) => [name, `${name}.${randomUUID()}`]));
  const identities = new Map(people.map((identity) => [tokens.get(identity.name) ?? "", identity]));
  const board = createFaultBoard();
  const watches = new Set<OpenWatch>();
  const sockets = new Map<Socket, string>();
  const usage = new Map<string, Usage>();
  const closing = new AbortController();

  const context = {
    store,
    registry,
    board,
    identities,
    watches,
    bookmarkIntervalMs: options.bookmarkIntervalMs ?? 60_000,
    closing: closing.signal,
    seen: (request: IncomingMessage, identity: string) => sockets.set(request.socket, identity),
    count: (identity: string, parsed: ParsedRequest) => countUsage(usage, identity, parsed),
  };
  const server = createServer({ key: certificate.keyPem, cert: certificate.certPem });
  server.on("request", (request, response) => void serve(context, request, response));
  server.on("secureConnection", (socket) => {
    sockets.set(socket, "");
    socket.on("close", () => sockets.delete(socket));
  });
  // A client that leaves while it shakes hands is no news.
  server.on("tlsClientError", () => {});
  server.keepAliveTimeout = 90_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = `https://${host}:${port}`;

  function tokenOf(identity: string): string {
    const token = tokens.get(identity);
    if (!token) throw new Error(`No identity "${identity}": name it in options.identities.`);
    return token;
  }

  return {
    url,
    port,
    ca: certificate.certPem,
    token: (identity = ADMIN) => tokenOf(identity),
    kubeconfig: (identity = ADMIN) =>
      kubeconfigText({
        url,
        namespace,
        ca: certificate.certPem,
        user: identity,
        token: tokenOf(identity),
      }),
    objects: objectsOf(store),
    faults: faultsOf({ board, store, watches, sockets }),
    usage: () => [...usage.values()],
    async close() {
      closing.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      for (const socket of sockets.keys()) socket.destroy();
      await closed;
    },
  };
}

function faultsOf(parts: {
  readonly board: FaultBoard;
  readonly store: ObjectStore;
  readonly watches: ReadonlySet<OpenWatch>;
  readonly sockets: ReadonlyMap<Socket, string>;
}): Faults {
  const { board, store, watches, sockets } = parts;
  return {
    inject: board.inject,
    clear: board.clear,
    outage(identity) {
      const scope = identity === undefined ? {} : { identity };
      const ends = [
        board.inject({ kind: "loseRequest" }, scope),
        board.inject({ kind: "holdWatches" }, scope),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
    closeConnections(identity) {
      for (const [socket, owner] of sockets) {
        if (identity === undefined || owner === identity) socket.destroy();
      }
    },
    expireWatches() {
      store.compact();
      for (const watch of watches) watch.expire();
    },
  };
}

function objectsOf(store: ObjectStore): FakeObjects {
  return {
    get: (reference) => store.get(resourceNamed(reference.resource), keyFor(reference)),
    list: (resource, namespace) =>
      [...store.list(resourceNamed(resource))].filter(
        (object) => namespace === undefined || object.metadata.namespace === namespace,
      ),
    put(object) {
      const resource = resourceOf(object);
      const old = store.get(resource, keyOf(object));
      const uid = object.metadata.uid ?? old?.metadata.uid ?? randomUUID();
      const creationTimestamp =
        old?.metadata.creationTimestamp ?? new Date().toISOString().replace(/\.\d+Z$/, "Z");
      const metadata = { namespace: "default", creationTimestamp, ...object.metadata, uid };
      return store.commit(resource, { ...object, metadata });
    },
    remove: (reference) => void store.remove(resourceNamed(reference.resource), keyFor(reference)),
    listen: (listener) => store.listen(listener),
  };
}

function keyFor({ namespace = "default", name }: ObjectReference): {
  namespace: string;
  name: string;
} {
  return { namespace, name };
}

function resourceNamed(plural: string): Resource {
  const found = RESOURCES.find((resource) => resource.plural === plural);
  if (!found) throw new Error(`The fake API knows no ${plural}: add it to resources.ts.`);
  return found;
}

function countUsage(usage: Map<string, Usage>, identity: string, { access }: ParsedRequest): void {
  const { verb, resource } = access;
  const name = resource.plural === "events" ? null : access.name;
  const key = `${identity} ${verb} ${resource.group}/${resource.plural} ${name ?? ""}`;
  const row = usage.get(key);
  if (!row && usage.size >= MAX_USAGE_ROWS) return;
  const { group, plural } = resource;
  usage.set(key, { identity, verb, group, resource: plural, name, count: (row?.count ?? 0) + 1 });
}

function kubeconfigText(parts: {
  readonly url: string;
  readonly namespace: string;
  readonly ca: string;
  readonly user: string;
  readonly token: string;
}): string {
  return `apiVersion: v1
kind: Config
clusters:
  - name: fake
    cluster:
      server: ${parts.url}
      certificate-authority-data: ${Buffer.from(parts.ca).toString("base64")}
users:
  - name: ${parts.user}
    user:
      token: ${parts.token}
contexts:
  - name: fake
    context:
      cluster: fake
      user: ${parts.user}
      namespace: ${parts.namespace}
current-context: fake
`;
}
