/** What only the fake can show: faults, RBAC by a Role, pods that end, versions too old. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createRawClient, type RawClient } from "../src/contracts/raw-client.ts";
import {
  startFakeKubernetesApi,
  type FakeKubernetesApi,
  type KubernetesObject,
} from "../src/fake-kubernetes-api/index.ts";

const PATH = "/api/v1/namespaces/default/configmaps";
const PODS = "/api/v1/namespaces/default/pods";

let api: FakeKubernetesApi;
let client: RawClient;

beforeEach(async () => {
  api = await startFakeKubernetesApi({
    historyLength: 5,
    bookmarkIntervalMs: 30,
    identities: [{ name: "a" }, { name: "b" }],
  });
  client = createRawClient(api.kubeconfig("a"));
});
afterEach(async () => {
  client.close();
  await api.close();
});

function configMap(name: string, step = "0"): KubernetesObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { step } };
}

const put = (step: string) =>
  client.call(`${PATH}/x`, { method: "PUT", body: configMap("x", step) });
const stepOf = (object: KubernetesObject | null): unknown =>
  (object?.["data"] as Record<string, string> | undefined)?.["step"];
const stored = (): unknown => stepOf(api.objects.get({ resource: "configmaps", name: "x" }));

describe("a fault", () => {
  beforeEach(() => void api.objects.put(configMap("x")));

  test("delayRequest carries a request out later, although its client has gone", async () => {
    api.faults.inject({ kind: "delayRequest", ms: 60 });
    const sent = put("late");
    await vi.waitFor(() => expect(api.usage()).toHaveLength(1));
    api.faults.closeConnections();
    await expect(sent).rejects.toThrow("socket hang up");
    expect(stored()).toBe("0");
    await vi.waitFor(() => expect(stored()).toBe("late"));
  });

  test("delayAnswer carries a request out at once and answers later", async () => {
    api.faults.inject({ kind: "delayAnswer", ms: 60 });
    let answered = false;
    const sent = put("1").finally(() => (answered = true));
    await vi.waitFor(() => expect(stored()).toBe("1"));
    expect(answered).toBe(false);
    expect((await sent).code).toBe(200);
  });

  test.each([
    ["loseRequest", "0"],
    ["loseAnswer", "1"],
  ] as const)("%s leaves the client without an answer and the object at %s", async (kind, step) => {
    api.faults.inject({ kind });
    const sent = put("1");
    await vi.waitFor(() => expect(api.usage()).toHaveLength(1));
    const answer = await Promise.race([sent, new Promise((resolve) => setTimeout(resolve, 50))]);
    expect(answer).toBeUndefined();
    expect(stored()).toBe(step);
    api.faults.closeConnections();
    await expect(sent).rejects.toThrow("socket hang up");
  });

  test.each([
    ["cutRequest", "0"],
    ["cutAnswer", "1"],
  ] as const)("%s closes the connection and leaves the object at %s", async (kind, step) => {
    api.faults.inject({ kind });
    await expect(put("1")).rejects.toThrow("socket hang up");
    expect(stored()).toBe(step);
  });

  test("refuse answers with a Status and does nothing", async () => {
    api.faults.inject({ kind: "refuse", code: 429, retryAfterSeconds: 2 });
    const { code, body } = await put("1");
    expect({ code, reason: body.reason, stored: stored() }).toEqual({
      code: 429,
      reason: "TooManyRequests",
      stored: "0",
    });
  });

  test("applies to its scope only, and only as often as it says", async () => {
    const fault = { kind: "refuse", code: 500 } as const;
    api.faults.inject(fault, { identity: "b" });
    api.faults.inject(fault, { resource: "leases" });
    api.faults.inject(fault, { name: "y" });
    api.faults.inject(fault, { verbs: ["update"], times: 2 });
    expect((await client.call(`${PATH}/x`)).code).toBe(200);
    const codes = [await put("1"), await put("2"), await put("3")].map(({ code }) => code);
    expect(codes).toEqual([500, 500, 200]);
  });

  test("ends when it is told to, and with clear", async () => {
    const end = api.faults.inject({ kind: "refuse", code: 503 });
    expect((await put("1")).code).toBe(503);
    end();
    expect((await put("1")).code).toBe(200);
    api.faults.inject({ kind: "refuse", code: 503 });
    api.faults.clear();
    expect((await put("2")).code).toBe(200);
  });
});

describe("a watch under faults", () => {
  test("that is held back says nothing, and later everything, in order", async () => {
    const watch = await client.watch(PATH);
    const release = api.faults.inject({ kind: "holdWatches" }, { identity: "a" });
    for (const step of ["1", "2", "3"]) api.objects.put(configMap("x", step));
    await expect(watch.next(50)).rejects.toThrow("no watch event");
    release();
    const events = [await watch.next(), await watch.next(), await watch.next()];
    expect(events.map((event) => event?.object.data?.["step"])).toEqual(["1", "2", "3"]);
  });

  test("is not held back by a fault of somebody else", async () => {
    const watch = await client.watch(PATH);
    api.faults.inject({ kind: "holdWatches" }, { identity: "b" });
    api.objects.put(configMap("x"));
    expect((await watch.next())?.type).toBe("ADDED");
  });

  test("that is delayed keeps the order", async () => {
    const watch = await client.watch(PATH);
    api.faults.inject({ kind: "delayWatches", ms: 60 });
    const sentAtMs = performance.now();
    api.objects.put(configMap("x", "1"));
    api.objects.put(configMap("x", "2"));
    expect((await watch.next())?.object.data).toEqual({ step: "1" });
    expect(performance.now() - sentAtMs).toBeGreaterThan(55);
    expect((await watch.next())?.object.data).toEqual({ step: "2" });
  });

  test("whose version is too old ends with an ERROR of 410", async () => {
    for (let step = 0; step < 10; step += 1) api.objects.put(configMap("x", String(step)));
    const watch = await client.watch(`${PATH}?resourceVersion=2`);
    const event = await watch.next();
    expect(event).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
    expect(await watch.next()).toBeNull();
  });

  test("that is open when versions expire ends the same way", async () => {
    const watch = await client.watch(PATH);
    api.faults.expireWatches();
    expect(await watch.next()).toMatchObject({ type: "ERROR", object: { code: 410 } });
    expect(await watch.next()).toBeNull();
  });

  test("brings bookmarks only to who asks for them", async () => {
    const quiet = await client.watch(PATH);
    const watch = await client.watch(`${PATH}?allowWatchBookmarks=true`);
    api.objects.put({ ...configMap("y"), metadata: { name: "y", namespace: "other" } });
    const event = await watch.next();
    expect(event?.type).toBe("BOOKMARK");
    expect(Number(event?.object.metadata.resourceVersion)).toBeGreaterThan(1);
    await expect(quiet.next(60)).rejects.toThrow("no watch event");
  });

  test("ends with an outage of one identity only when its connection does", async () => {
    const other = createRawClient(api.kubeconfig("b"));
    const [watch, otherWatch] = [await client.watch(PATH), await other.watch(PATH)];
    const end = api.faults.outage("a");
    api.objects.put(configMap("x"));
    expect((await otherWatch.next())?.type).toBe("ADDED");
    await expect(watch.next(30)).rejects.toThrow("no watch event");
    end();
    expect((await watch.next())?.type).toBe("ADDED");
    api.faults.closeConnections("a");
    expect(await watch.next()).toBeNull();
    api.objects.put(configMap("x", "1"));
    expect((await otherWatch.next())?.type).toBe("MODIFIED");
    other.close();
  });
});

describe("a Role", () => {
  const rule = (verbs: readonly string[], resourceNames?: readonly string[]) => ({
    apiGroups: [""],
    resources: ["configmaps"],
    verbs,
    ...(resourceNames ? { resourceNames } : {}),
  });
  let restricted: FakeKubernetesApi;
  let member: RawClient;

  beforeEach(async () => {
    const rules = [rule(["get", "list", "watch", "update"], ["x"]), rule(["create"])];
    restricted = await startFakeKubernetesApi({
      identities: [{ name: "member", role: { metadata: { namespace: "default" }, rules } }],
    });
    member = createRawClient(restricted.kubeconfig("member"));
    for (const name of ["x", "y"]) restricted.objects.put(configMap(name));
  });
  afterEach(async () => {
    member.close();
    await restricted.close();
  });

  test.each([
    ["GET", `${PATH}/x`, 200],
    ["GET", `${PATH}/y`, 403],
    ["GET", PATH, 403],
    ["GET", `${PATH}?fieldSelector=metadata.name%3Dx`, 200],
    ["GET", `${PATH}?fieldSelector=metadata.name%3Dy`, 403],
    ["DELETE", `${PATH}/x`, 403],
    ["GET", "/api/v1/namespaces/other/configmaps/x", 403],
    ["GET", "/api/v1/namespaces/default/pods", 403],
  ])("answers %s %s with %i", async (method, path, code) => {
    expect((await member.call(path, { method })).code).toBe(code);
  });

  test("lets a create through that names nothing", async () => {
    const body = configMap("z");
    expect((await member.call(PATH, { method: "POST", body })).code).toBe(201);
  });

  test("names who lacks what", async () => {
    const { body } = await member.call(`${PATH}/y`);
    expect(body.message).toBe(
      'configmaps "y" is forbidden: User "member" cannot get resource "configmaps" ' +
        'in API group "" in the namespace "default"',
    );
  });
});

describe("a pod", () => {
  const pod = (spec: object): KubernetesObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "r-0" },
    spec,
  });

  test("on a node ends by its grace period and goes when it is removed", async () => {
    api.objects.put(pod({ nodeName: "n", terminationGracePeriodSeconds: 7 }));
    await client.call(`${PODS}/r-0`, { method: "DELETE" });
    const { body } = await client.call(`${PODS}/r-0`);
    expect(body.metadata).toMatchObject({ deletionGracePeriodSeconds: 7 });
    expect(body.metadata).toHaveProperty("deletionTimestamp");
    api.objects.remove({ resource: "pods", name: "r-0" });
    expect((await client.call(`${PODS}/r-0`)).code).toBe(404);
  });

  test("goes at once when it is forced, or has no node", async () => {
    api.objects.put(pod({ nodeName: "n" }));
    const body = { gracePeriodSeconds: 0 };
    await client.call(`${PODS}/r-0`, { method: "DELETE", body });
    expect((await client.call(`${PODS}/r-0`)).code).toBe(404);
    api.objects.put(pod({}));
    await client.call(`${PODS}/r-0`, { method: "DELETE" });
    expect((await client.call(`${PODS}/r-0`)).code).toBe(404);
  });
});

describe("the proxy to a pod", () => {
  const server = createServer((request, response) => {
    response.writeHead(request.url === "/v1/member" ? 200 : 404, { "content-type": "text/x" });
    response.end(JSON.stringify({ asked: request.url }));
  });
  const proxied = (path: string, port: number) => `${PODS}/p:${port}/proxy${path}`;
  let port: number;

  beforeEach(async () => {
    await once(server.listen(0, "127.0.0.1"), "listening");
    port = (server.address() as AddressInfo).port;
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" } };
    api.objects.put({ ...pod, status: { podIP: "127.0.0.1" } });
  });
  afterEach(() => void server.close());

  test("hands on what the pod answers", async () => {
    expect(await client.call(proxied("/v1/member", port))).toMatchObject({
      code: 200,
      body: { asked: "/v1/member" },
    });
    expect((await client.call(proxied("/other", port))).code).toBe(404);
    const row = { identity: "a", verb: "get", group: "", resource: "pods/proxy" };
    expect(api.usage()).toEqual([{ ...row, name: `p:${port}`, count: 2 }]);
  });

  test("says in a Status that the pod cannot be reached, or is not there", async () => {
    server.close();
    const answer = await client.call(proxied("/v1/member", port));
    expect(answer).toMatchObject({ code: 503, body: { kind: "Status" } });
    expect(JSON.stringify(answer.body)).toContain("error trying to reach service");
    expect((await client.call(`${PODS}/q:1/proxy/`)).code).toBe(404);
  });

  test("needs a right of its own", async () => {
    const rules = [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }];
    const other = await startFakeKubernetesApi({ identities: [{ name: "c", role: { rules } }] });
    const stranger = createRawClient(other.kubeconfig("c"));
    const answer = await stranger.call(proxied("/v1/member", port));
    expect(answer).toMatchObject({ code: 403 });
    expect(JSON.stringify(answer.body)).toContain('cannot get resource \\"pods/proxy\\"');
    stranger.close();
    await other.close();
  });
});

describe("the server", () => {
  test("answers its health and version, and 404 for what it does not know", async () => {
    expect((await client.call("/readyz")).code).toBe(200);
    expect(await client.call("/version")).toMatchObject({ code: 200, body: { major: "1" } });
    expect((await client.call("/apis/example.com/v1/things")).code).toBe(404);
  });

  test("counts who did what", async () => {
    await client.call(`${PATH}/x`);
    await client.call(`${PATH}/x`);
    const row = { identity: "a", verb: "get", group: "", resource: "configmaps", name: "x" };
    expect(api.usage()).toEqual([{ ...row, count: 2 }]);
  });

  test("tells listeners in the process of every change", () => {
    const steps: unknown[] = [];
    const end = api.objects.listen(({ type, object }) => steps.push([type, stepOf(object)]));
    api.objects.put(configMap("x", "1"));
    api.objects.put(configMap("x", "2"));
    end();
    api.objects.remove({ resource: "configmaps", name: "x" });
    expect(steps).toEqual([
      ["ADDED", "1"],
      ["MODIFIED", "2"],
    ]);
  });

  test("closes with requests and watches open, and frees its port", async () => {
    api.faults.inject({ kind: "loseRequest" }, { verbs: ["get"] });
    const lost = client.call(`${PATH}/x`).catch((error: unknown) => error);
    await client.watch(PATH);
    await api.close();
    expect(await lost).toBeInstanceOf(Error);
    const again = await startFakeKubernetesApi({ port: api.port });
    await again.close();
  });
});
