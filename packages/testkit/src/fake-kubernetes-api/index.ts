/**
 * A Kubernetes API server for tests and the demo: HTTPS on loopback, objects in memory, the
 * semantics that Leasehold relies on, and faults on demand.
 *
 * `contracts/kubernetes-api.ts` runs the same assertions against it and against a real
 * kube-apiserver. It has no controllers: who needs pods to end or a StatefulSet to act does it
 * through `objects`.
 */
import { randomUUID } from "node:crypto";
import { faultsOf } from "./fault-switches.ts";
import { createFaultBoard } from "./faults.ts";
import { kubeconfigText } from "./kubeconfig.ts";
import { listen } from "./listener.ts";
import { createObjectStore } from "./object-store.ts";
import { objectsOf } from "./objects.ts";
import { createRegistry } from "./registry.ts";
import { serve } from "./server.ts";
import { countUsage } from "./usage.ts";
import type { Identity } from "./authorization.ts";
import type { Faults } from "./faults.ts";
import type { FakeObjects } from "./objects.ts";
import type { Usage } from "./usage.ts";
import type { OpenWatch } from "./watch.ts";

export type { Identity, PolicyRule, Role, Verb } from "./authorization.ts";
export type { Fault, FaultScope, Faults } from "./faults.ts";
export type { KubernetesObject, ObjectMeta } from "./object.ts";
export type { Change } from "./object-store.ts";
export type { FakeObjects, ObjectReference } from "./objects.ts";
export type { Usage } from "./usage.ts";

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
  /** How many connections are open, of one identity or of all. */
  connections(identity?: string): number;
  /** Cuts all connections and waits until the port is free. */
  close(): Promise<void>;
}

const ADMIN = "admin";

export async function startFakeKubernetesApi(
  options: FakeKubernetesApiOptions = {},
): Promise<FakeKubernetesApi> {
  const { host = "127.0.0.1", namespace = "default", allowLoopbackEndpoints = false } = options;
  const store = createObjectStore(options.historyLength ?? 1000);
  const people = [{ name: ADMIN }, ...(options.identities ?? [])].map((identity) => ({
    ...identity,
    token: `${identity.name}.${randomUUID()}`,
  }));
  const board = createFaultBoard();
  const watches = new Set<OpenWatch>();
  const usage = new Map<string, Usage>();
  const closing = new AbortController();

  const context = {
    store,
    registry: createRegistry({ store, allowLoopbackEndpoints }),
    board,
    identities: new Map(people.map((identity) => [identity.token, identity])),
    watches,
    bookmarkIntervalMs: options.bookmarkIntervalMs ?? 60_000,
    closing: closing.signal,
  };
  const listener = await listen(host, options.port ?? 0, (request, response) => {
    void serve(context, { request, response }, (identity, parsed) => {
      listener.owned(request, identity);
      if (parsed) countUsage(usage, identity, parsed);
    });
  });
  const url = `https://${host}:${listener.port}`;

  function tokenOf(name: string): string {
    const person = people.find((identity) => identity.name === name);
    if (!person) throw new Error(`No identity "${name}": name it in options.identities.`);
    return person.token;
  }

  return {
    url,
    port: listener.port,
    ca: listener.ca,
    token: (identity = ADMIN) => tokenOf(identity),
    kubeconfig: (user = ADMIN) =>
      kubeconfigText({ url, namespace, ca: listener.ca, user, token: tokenOf(user) }),
    objects: objectsOf(store),
    faults: faultsOf({ board, store, watches, owners: listener.owners }),
    usage: () => [...usage.values()],
    connections: (identity) =>
      [...listener.owners.values()].filter((owner) => owner === (identity ?? owner)).length,
    async close() {
      closing.abort();
      await listener.close();
    },
  };
}
