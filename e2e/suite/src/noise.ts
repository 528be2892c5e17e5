/**
 * Makes a cluster busy: the EndpointSlice of a Service that nobody uses changes every 300 ms, so
 * that every kube-proxy is always within the second that it waits between two changes.
 *
 * Runs where the API server can be reached, by the kubeconfig that is its argument, until standard
 * input ends. Guarantees: a change that fails is said, once; the next one is tried all the same.
 */
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { NOISE } from "./noise-objects.ts";

const EVERY_MS = 300;
const DEADLINE_MS = 2000;

interface Kubeconfig {
  readonly clusters: readonly [{ readonly cluster: Readonly<Record<string, string>> }];
  readonly users: readonly [{ readonly user: Readonly<Record<string, string>> }];
}

const { clusters, users } = parse(readFileSync(process.argv[2] ?? "", "utf8")) as Kubeconfig;
const { cluster } = clusters[0];
const { user } = users[0];
const tls = {
  ca: pemOf(cluster, "certificate-authority"),
  cert: pemOf(user, "client-certificate"),
  key: pemOf(user, "client-key"),
};
const { namespace, name } = NOISE;
const url = new URL(
  `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices/${name}`,
  cluster["server"],
);

process.stdin.resume().once("end", () => process.exit(0));
let wasRefused = false;
for (let turn = 0; ; turn = (turn + 1) % 200) {
  const endpoints = [{ addresses: [`10.244.250.${turn + 1}`], conditions: { ready: true } }];
  const status = await change(JSON.stringify({ endpoints })).catch(() => 0);
  if (status !== 200 && !wasRefused) {
    process.stderr.write(`noise: ${url.pathname} answered ${status}\n`);
  }
  wasRefused = status !== 200;
  await sleep(EVERY_MS);
}

function pemOf(from: Readonly<Record<string, string>>, field: string): string {
  const data = from[`${field}-data`];
  return data === undefined
    ? readFileSync(from[field] ?? "", "utf8")
    : Buffer.from(data, "base64").toString();
}

function change(body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/merge-patch+json" };
    const call = request(url, { ...tls, method: "PATCH", headers, timeout: DEADLINE_MS });
    call.once("timeout", () => call.destroy());
    call.once("error", reject);
    call.once("response", (response) => {
      response.resume().once("end", () => resolve(response.statusCode ?? 0));
    });
    call.end(body);
  });
}
