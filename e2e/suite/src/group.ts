/**
 * A release of the chart on the cluster, and what can be asked of it as its operator would: by
 * helm, kubectl and the project's own command line.
 */
import { fileURLToPath } from "node:url";
import { CommandError, until, type Cluster, type RunOptions } from "@leasehold/cluster";

const CHART = fileURLToPath(new URL("../../../charts/leasehold", import.meta.url));
const CLI = fileURLToPath(new URL("../../../apps/cli/src/main.ts", import.meta.url));
const INSTALL_TIMEOUT_MS = 180_000;
const HTTP_PORT = 8008;
const DOMAIN = "svc.cluster.local";

export interface Release {
  readonly namespace: string;
  readonly release: string;
  /** `--set` of helm. */
  readonly values?: readonly string[];
  /** Redis speaks TLS, with certificates of an authority made for it. */
  readonly tls?: true;
  /** None of its pods is Ready before a cutover: nobody waits for them. */
  readonly followsSource?: true;
}

export interface Group {
  /** Of Lease, write Service and StatefulSet. */
  readonly name: string;
  readonly namespace: string;
  readonly writeHost: string;
  readonly readHost: string;
  /** Any member. */
  readonly headlessHost: string;
  memberHost(pod: string): string;
  /** The application's. */
  password(): Promise<string>;
  members(): Promise<readonly string[]>;
  /** The pod that holds the Lease; null: nobody. */
  leader(): Promise<string | null>;
  /** Waits until another pod than `old` holds the Lease, by whatever it is called. */
  newLeader(old: Holder, timeoutMs: number): Promise<void>;
  holder(): Promise<Holder>;
  nodeOf(pod: string): Promise<string>;
  /** A figure of the member's metrics, over all labels; 0: it is not there. */
  metric(pod: string, name: string): Promise<number>;
  kubectl(args: readonly string[], options?: RunOptions): Promise<string>;
  /** `waits`, by default: until all members are Ready. */
  helmUpgrade(values: readonly string[], options?: { readonly waits?: boolean }): Promise<void>;
  /** To the revision before. */
  helmRollback(): Promise<void>;
  helmTest(): Promise<string>;
  /** Runs `leasehold` on this group and resolves with what it printed. */
  leasehold(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Waits until `leasehold status --check` has nothing to say. */
  healthy(timeoutMs: number): Promise<void>;
  /** Its data, its Lease and a password that Helm made stay. */
  helmUninstall(): Promise<void>;
  /** With its data and all that it left. */
  uninstall(): Promise<void>;
}

export interface Holder {
  readonly identity: string;
  readonly pod: string;
}

export async function install(cluster: Cluster, release: Release): Promise<Group> {
  const group = groupOf(cluster, release);
  const settings = (release.values ?? []).flatMap((value) => ["--set", value]);
  await cluster.helm(
    [
      ...["upgrade", "--install", release.release, CHART, "--namespace", release.namespace],
      ...["--create-namespace", "--timeout", `${INSTALL_TIMEOUT_MS / 1000}s`],
      ...(release.followsSource ? [] : ["--wait"]),
      ...settings,
    ],
    { timeoutMs: INSTALL_TIMEOUT_MS + 10_000 },
  );
  return group;
}

/** What is installed already, or will be. */
export function groupOf(cluster: Cluster, { namespace, release }: Release): Group {
  const name = `${release}-leasehold`;
  const kubectl: Group["kubectl"] = (args, options) =>
    cluster.kubectl(["--namespace", namespace, "--request-timeout=20s", ...args], options);
  const get = (object: string, path: string): Promise<string> =>
    kubectl(["get", object, "-o", `jsonpath=${path}`]);
  const leasehold: Group["leasehold"] = async ([command = "", ...args], options) => {
    const program = [process.execPath, CLI, command, name, "--namespace", namespace, ...args];
    return (await cluster.exec(program, { timeoutMs: 60_000, ...options })).stdout;
  };
  const helmUninstall = async (): Promise<void> => {
    await cluster.helm(["uninstall", release, "--namespace", namespace, "--wait"], {
      timeoutMs: INSTALL_TIMEOUT_MS,
    });
  };
  const holder = async (): Promise<Holder> => {
    const identity = await get(`lease/${name}`, "{.spec.holderIdentity}");
    return { identity, pod: identity.split("_")[0] ?? "" };
  };
  return {
    name,
    namespace,
    writeHost: `${name}.${namespace}.${DOMAIN}`,
    readHost: `${name}-read.${namespace}.${DOMAIN}`,
    headlessHost: `${name}-headless.${namespace}.${DOMAIN}`,
    memberHost: (pod) => `${pod}.${name}-headless.${namespace}.${DOMAIN}`,
    async password() {
      const encoded = await get(`secret/${name}`, "{.data.redis-password}");
      return Buffer.from(encoded, "base64").toString();
    },
    async members() {
      const replicas = Number(await get(`statefulset/${name}`, "{.spec.replicas}"));
      return Array.from({ length: replicas }, (_, ordinal) => `${name}-${ordinal}`);
    },
    leader: async () => (await holder()).pod || null,
    holder,
    async newLeader(old, timeoutMs) {
      await until(`another leader than ${old.identity}`, { timeoutMs, pollMs: 200 }, async () => {
        const { identity, pod } = await holder();
        return pod !== "" && identity !== old.identity;
      });
    },
    async metric(pod, name) {
      const path = `/api/v1/namespaces/${namespace}/pods/${pod}:${HTTP_PORT}/proxy/metrics`;
      const lines = (await kubectl(["get", "--raw", path])).split("\n");
      const values = lines.filter((line) => /^\w+/.exec(line)?.[0] === name);
      return values.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    },
    nodeOf: (pod) => get(`pod/${pod}`, "{.spec.nodeName}"),
    kubectl,
    async helmUpgrade(values, { waits = true } = {}) {
      const settings = values.flatMap((value) => ["--set", value]);
      const args = ["upgrade", release, CHART, "--namespace", namespace, "--reuse-values"];
      const wait = waits ? ["--wait", "--timeout", "300s"] : [];
      await cluster.helm([...args, ...wait, ...settings], { timeoutMs: 310_000 });
    },
    async helmRollback() {
      const args = ["rollback", release, "--namespace", namespace, "--wait", "--timeout", "300s"];
      await cluster.helm(args, { timeoutMs: 310_000 });
    },
    helmTest: () =>
      cluster.helm(["test", release, "--namespace", namespace, "--timeout", "240s"], {
        timeoutMs: 250_000,
      }),
    leasehold,
    helmUninstall,
    async uninstall() {
      await helmUninstall();
      const left = "persistentvolumeclaims,leases,configmaps,secrets,endpointslices";
      const own = ["-l", `leasehold.dev/group=${name}`, "--ignore-not-found"];
      await kubectl(["delete", left, ...own], { timeoutMs: 60_000 });
    },
    async healthy(timeoutMs) {
      let why = "it was not asked";
      await until("the group healthy", { timeoutMs, pollMs: 500 }, async () => {
        try {
          await leasehold(["status", "--check"]);
          return true;
        } catch (error) {
          if (!(error instanceof CommandError)) throw error;
          why = `${error.stdout}${error.stderr}`.trim();
          return false;
        }
      }).catch(() => {
        throw new Error(`the group was not healthy within ${timeoutMs / 1000} s: ${why}`);
      });
    },
  };
}
