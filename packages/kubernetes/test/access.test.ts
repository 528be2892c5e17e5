import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fileToken } from "../src/api/access.ts";
import { pluginOf, startPlugin } from "../src/api/credential-plugin.ts";
import {
  createApiClient,
  inClusterAccess,
  kubeconfigAccess,
  kubeconfigFilesAccess,
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

describe("access by a credential plugin", () => {
  const V1 = "client.authentication.k8s.io/v1";
  const allowed = { pluginEnvironment: { PATH: "/usr/bin:/bin" } };

  beforeEach(() => writeFileSync(file("ca.crt"), bench.api.ca));

  /** A plugin that prints what is in the file `token`, and notes what it was told. */
  function writePlugin(script = ""): void {
    const credential = `{"apiVersion":"${V1}","kind":"ExecCredential","status":{"token":"%s"}}`;
    const lines = [
      "#!/bin/sh",
      `printf '%s' "$KUBERNETES_EXEC_INFO" > '${file("info")}'`,
      `echo "$@ $PROFILE" >> '${file("calls")}'`,
      script,
      `printf '${credential}' "$(cat '${file("token")}')"`,
    ];
    writeFileSync(file("plugin"), lines.join("\n"));
    chmodSync(file("plugin"), 0o700);
  }

  function configWith(exec: object): string {
    writeFileSync(file("config"), kubeconfig({ exec: { apiVersion: V1, ...exec } }));
    return file("config");
  }

  function started(deadlineMs: number) {
    const owner = { userName: "u", environment: allowed.pluginEnvironment, file };
    const plugin = pluginOf({ command: "./plugin", apiVersion: V1 }, owner);
    if (!plugin) throw new Error("no plugin");
    return startPlugin(plugin, { server: bench.api.url, ca: null }, deadlineMs);
  }

  test("asks it with its arguments, its environment and what it wants to know", async () => {
    writePlugin();
    writeFileSync(file("token"), bench.api.token("a"));
    const env = [{ name: "PROFILE", value: "prod" }];
    const exec = { command: "./plugin", args: ["get-token"], env, provideClusterInfo: true };
    const access = await kubeconfigAccess(configWith(exec), allowed);
    expect(await statusWith(access)).toBe(200);
    expect(readFileSync(file("calls"), "utf8")).toBe("get-token prod\n");
    expect(JSON.parse(readFileSync(file("info"), "utf8"))).toMatchObject({
      apiVersion: V1,
      kind: "ExecCredential",
      spec: { interactive: false, cluster: { server: bench.api.url } },
    });
  });

  test("runs it again once the server refuses its token", async () => {
    writePlugin();
    writeFileSync(file("token"), "old");
    const client = createApiClient(
      await kubeconfigAccess(configWith({ command: "./plugin" }), allowed),
    );
    const call = { method: "GET", path: "/version", deadlineMs: DEADLINE_MS } as const;
    expect(await client.request(call)).toMatchObject({ status: 401 });
    writeFileSync(file("token"), bench.api.token("a"));
    expect(await client.request(call)).toMatchObject({ status: 200 });
    expect(await client.request(call)).toMatchObject({ status: 200 });
    expect(readFileSync(file("calls"), "utf8").split("\n")).toHaveLength(3);
    client.close();
  });

  test("is not run for whoever does not allow it, such as a sidecar", async () => {
    writePlugin();
    const denied = kubeconfigAccess(configWith({ command: "./plugin" }));
    await expect(denied).rejects.toThrow("kubectl create token");
    expect(existsSync(file("calls"))).toBe(false);
  });

  test.each([
    [
      "a program that is not there",
      { command: "no-such-plugin", installHint: "Get it." },
      "Get it.",
    ],
    ["a plugin that fails", { command: "./plugin" }, "exit code 3"],
    ["no command", {}, "names no command"],
    ["an old protocol", { command: "x", apiVersion: "v1alpha1" }, 'speaks "v1alpha1"'],
    ["a question without a terminal", { command: "x", interactiveMode: "Always" }, "terminal"],
  ])("of %s says what to do", async (_what, exec, words) => {
    writePlugin("exit 3");
    await expect(kubeconfigAccess(configWith(exec), allowed)).rejects.toThrow(words);
  });

  test("that prints no credential says so", async () => {
    writeFileSync(file("plugin"), "#!/bin/sh\necho hello");
    chmodSync(file("plugin"), 0o700);
    const access = kubeconfigAccess(configWith({ command: "./plugin" }), allowed);
    await expect(access).rejects.toThrow("neither a token nor a certificate");
  });

  test("that leaves a child behind with its output is waited for no longer than the deadline", async () => {
    writePlugin(`sleep 60 & echo $! > '${file("pid")}'; wait`);
    await expect(started(500)).rejects.toThrow("no answer within 500 ms");
    // It has outlived the plugin: so the deadline is what ended our wait.
    process.kill(Number(readFileSync(file("pid"), "utf8")), "SIGKILL");
  });

  test("that prints without end is stopped", async () => {
    writePlugin("yes");
    await expect(started(20_000)).rejects.toThrow("more than 1048576 characters");
  });
});

describe("access from several files", () => {
  test("takes each entry from the first file that has it, with the files beside it", async () => {
    const other = join(directory, "other");
    mkdirSync(other);
    writeFileSync(file("ca.crt"), bench.api.ca);
    writeFileSync(join(other, "token"), bench.api.token("a"));
    const context = { cluster: "c", user: "late", namespace: "shop" };
    writeFileSync(
      file("config"),
      JSON.stringify({
        clusters: [
          { name: "c", cluster: { server: bench.api.url, "certificate-authority": "ca.crt" } },
        ],
        contexts: [{ name: "x", context }],
      }),
    );
    writeFileSync(
      join(other, "config"),
      JSON.stringify({
        clusters: [{ name: "c", cluster: { server: "https://192.0.2.1" } }],
        users: [{ name: "late", user: { tokenFile: "token" } }],
        "current-context": "x",
      }),
    );
    const access = await kubeconfigFilesAccess([file("config"), join(other, "config")]);
    expect(await statusWith(access)).toBe(200);
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
