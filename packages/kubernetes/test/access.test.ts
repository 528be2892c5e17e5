import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fileToken } from "../src/api/access.ts";
import {
  createApiClient,
  inClusterAccess,
  kubeconfigAccess,
  parseKubeconfig,
} from "../src/index.ts";
import { DEADLINE_MS, startBench, type Bench } from "./bench.ts";

let bench: Bench;
let directory: string;
const file = (name: string): string => join(directory, name);

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "leasehold-access-"));
  bench = await startBench({ namespace: "shop", identities: [{ name: "a" }] });
});
afterEach(async () => {
  rmSync(directory, { recursive: true });
  await bench.close();
});

function kubeconfig(user: object, cluster: object = {}): string {
  const server = { server: bench.api.url, "certificate-authority": "ca.crt", ...cluster };
  return JSON.stringify({
    clusters: [{ name: "c", cluster: server }],
    users: [{ name: "u", user }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "shop" } }],
    "current-context": "x",
  });
}

async function statusWith(access: Awaited<ReturnType<typeof parseKubeconfig>>): Promise<unknown> {
  const client = createApiClient(access);
  const path = `/api/v1/namespaces/${client.namespace}/pods`;
  const answer = await client.request({ method: "GET", path, deadlineMs: DEADLINE_MS });
  client.close();
  return answer.kind === "answered" ? answer.status : answer.message;
}

describe("access from a kubeconfig", () => {
  beforeEach(() => writeFileSync(file("ca.crt"), bench.api.ca));

  test("with everything inside", async () => {
    writeFileSync(file("config"), bench.api.kubeconfig("a"));
    const access = await kubeconfigAccess(file("config"));
    expect(access.namespace).toBe("shop");
    expect(await statusWith(access)).toBe(200);
  });

  test("with files beside it", async () => {
    writeFileSync(file("token"), `${bench.api.token("a")}\n`);
    writeFileSync(file("config"), kubeconfig({ tokenFile: "token" }));
    expect(await statusWith(await kubeconfigAccess(file("config")))).toBe(200);
  });

  test.each([
    ["no server", kubeconfigWith({ server: "http://x" }), 'cluster "c" needs a `server`'],
    ["a switched-off check", kubeconfigWith({ "insecure-skip-tls-verify": true }), "is refused"],
    ["a proxy", kubeconfigWith({ "proxy-url": "http://p" }), "proxy-url is not supported"],
    ["an exec plugin", kubeconfigWith({}, { exec: { command: "aws" } }), "kubectl create token"],
    ["a password", kubeconfigWith({}, { username: "u", password: "p" }), "uses username"],
    ["no such context", '{"current-context":"y"}', 'no entry "y" in contexts'],
  ])("with %s says what to do", async (_what, text, words) => {
    await expect(parseKubeconfig(text, { directory })).rejects.toThrow(words);
  });

  function kubeconfigWith(cluster: object, user: object = {}): string {
    const server = { server: "https://x", ...cluster };
    return JSON.stringify({
      clusters: [{ name: "c", cluster: server }],
      users: [{ name: "u", user }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    });
  }

  test("does not trust a server that its CA did not sign", async () => {
    const other = await startBench();
    writeFileSync(file("ca.crt"), other.api.ca);
    const user = { token: bench.api.token("a") };
    const status = statusWith(await parseKubeconfig(kubeconfig(user), { directory }));
    expect(await status).toMatch(/certificate/);
    await other.close();
  });
});

describe("access from a pod", () => {
  test("takes namespace, CA and token from the service account", async () => {
    writeFileSync(file("namespace"), "shop\n");
    writeFileSync(file("ca.crt"), bench.api.ca);
    writeFileSync(file("token"), bench.api.token("a"));
    const port = String(bench.api.port);
    const access = inClusterAccess({ host: "127.0.0.1", port, directory });
    expect(access.namespace).toBe("shop");
    expect(await statusWith(access)).toBe(200);
  });

  test("writes an IPv6 address of the API server in brackets", () => {
    for (const name of ["namespace", "ca.crt", "token"]) writeFileSync(file(name), "x");
    const { server } = inClusterAccess({ host: "fd00::1", port: "443", directory });
    expect(server).toBe("https://[fd00::1]:443");
  });
});

describe("a token in a file", () => {
  test("is read again after a minute", async () => {
    let nowMs = 0;
    writeFileSync(file("token"), "first\n");
    const token = fileToken(file("token"), () => nowMs);
    expect(await token.current()).toBe("first");
    writeFileSync(file("token"), "second");
    nowMs = 59_999;
    expect(await token.current()).toBe("first");
    nowMs = 60_000;
    expect(await token.current()).toBe("second");
  });

  test("is read again at once when the server refused it", async () => {
    writeFileSync(file("ca.crt"), bench.api.ca);
    writeFileSync(file("token"), "old");
    const access = await parseKubeconfig(kubeconfig({ tokenFile: "token" }), { directory });
    const client = createApiClient(access);
    const call = { method: "GET", path: "/version", deadlineMs: DEADLINE_MS } as const;
    expect(await client.request(call)).toMatchObject({ status: 401 });
    writeFileSync(file("token"), bench.api.token("a"));
    expect(await client.request(call)).toMatchObject({ status: 200 });
    client.close();
  });

  test("stays the old one while the file cannot be read", async () => {
    writeFileSync(file("token"), "first");
    const token = fileToken(file("token"));
    await token.current();
    rmSync(file("token"));
    token.refused();
    expect(await token.current()).toBe("first");
  });

  test("that was never there fails the request, not the process", async () => {
    writeFileSync(file("ca.crt"), bench.api.ca);
    const access = await parseKubeconfig(kubeconfig({ tokenFile: "none" }), { directory });
    expect(await statusWith(access)).toMatch(/ENOENT/);
  });
});
