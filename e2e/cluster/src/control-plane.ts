/** The programs on the switch's address: the control plane, DNS and the maker of volumes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { dnsConfiguration } from "./configuration.ts";
import { CONTROL_PLANE_ADDRESS, runInside, SERVICE_RANGE } from "./network.ts";
import type { Paths } from "./paths.ts";
import { Program } from "./program.ts";

export const PROVISIONER = "leasehold.example/disk";
/** Where a node sees its volumes: on its own disk. */
export const VOLUMES_FOLDER = "/var/lib/volumes";
const ETCD = "http://127.0.0.1:2379";
const ETCD_PEER = "http://127.0.0.1:2380";
const READY_MS = 30_000;

export interface ControlPlane {
  readonly etcd: Program;
  readonly apiServer: Program;
  readonly controllerManager: Program;
  readonly scheduler: Program;
  readonly dns: Program;
  readonly volumes: Program;
}

export const CONTROL_PLANE_GROUPS = {
  etcd: "etcd",
  apiServer: "api-server",
  controllerManager: "controller-manager",
  scheduler: "scheduler",
  dns: "dns",
  volumes: "volumes",
} as const;

export function controlPlaneIn(paths: Paths): ControlPlane {
  const pki = (file: string) => join(paths.pki, file);
  const kubectl = async (args: readonly string[]) => {
    const file = join(paths.bin, "kubectl");
    const { stdout } = await runInside([file, `--kubeconfig=${paths.kubeconfig}`, ...args], {
      timeoutMs: 5_000,
    });
    return stdout;
  };
  const program = (
    key: keyof typeof CONTROL_PLANE_GROUPS,
    command: readonly [string, ...string[]],
    ready: () => Promise<boolean> = async () => true,
  ) => {
    const name = CONTROL_PLANE_GROUPS[key];
    const [file, ...args] = command;
    return new Program({
      name,
      command: [join(paths.bin, file), ...args],
      logFile: join(paths.logs, `${name}.log`),
      ready,
      readyTimeoutMs: READY_MS,
    });
  };
  const corefile = join(paths.state, "Corefile");
  return {
    etcd: program("etcd", ["etcd", ...etcdFlags(join(paths.state, "etcd"))]),
    // Only a readiness without an error counts: its text says "ok" for single checks earlier.
    apiServer: program("apiServer", ["kube-apiserver", ...apiServerFlags(pki)], async () => {
      return (await kubectl(["get", "--raw", "/readyz"])) === "ok";
    }),
    controllerManager: program("controllerManager", [
      "kube-controller-manager",
      ...clientFlags(pki("controller-manager.kubeconfig")),
      `--service-account-private-key-file=${pki("token.key")}`,
      `--root-ca-file=${pki("ca.crt")}`,
      `--cluster-signing-cert-file=${pki("ca.crt")}`,
      `--cluster-signing-key-file=${pki("ca.key")}`,
      "--allocate-node-cidrs=false",
      "--use-service-account-credentials=true",
      "--node-monitor-grace-period=40s",
      // It makes this folder, by default in the machine's /usr.
      `--flex-volume-plugin-dir=${join(paths.state, "volume-plugins")}`,
    ]),
    scheduler: program("scheduler", [
      "kube-scheduler",
      ...clientFlags(pki("scheduler.kubeconfig")),
    ]),
    dns: program("dns", ["coredns", "-conf", corefile]),
    volumes: program("volumes", [
      "volumes",
      `-kubeconfig=${paths.kubeconfig}`,
      `-provisioner=${PROVISIONER}`,
      `-root=${paths.nodes}`,
      `-inside=${VOLUMES_FOLDER}`,
    ]),
  };
}

/** In the order in which they need one another. */
export async function startControlPlane(plane: ControlPlane, paths: Paths): Promise<void> {
  writeFileSync(join(paths.state, "Corefile"), dnsConfiguration(paths.kubeconfig));
  await plane.etcd.start();
  await plane.apiServer.start();
  // Started before the API is ready, the controller manager ends for good.
  await Promise.all(
    [plane.controllerManager, plane.scheduler, plane.dns, plane.volumes].map((one) => one.start()),
  );
}

function etcdFlags(folder: string): string[] {
  return [
    `--data-dir=${folder}`,
    `--listen-client-urls=${ETCD}`,
    `--advertise-client-urls=${ETCD}`,
    `--listen-peer-urls=${ETCD_PEER}`,
    `--initial-advertise-peer-urls=${ETCD_PEER}`,
    `--initial-cluster=default=${ETCD_PEER}`,
    "--log-level=warn",
    // It lives as long as a test: what a lost machine would lose does not matter.
    "--unsafe-no-fsync",
  ];
}

function clientFlags(kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    "--leader-elect=false",
  ];
}

function apiServerFlags(pki: (file: string) => string): string[] {
  return [
    `--etcd-servers=${ETCD}`,
    `--advertise-address=${CONTROL_PLANE_ADDRESS}`,
    "--bind-address=0.0.0.0",
    "--secure-port=6443",
    `--service-cluster-ip-range=${SERVICE_RANGE}`,
    "--authorization-mode=Node,RBAC",
    "--enable-admission-plugins=NodeRestriction",
    "--allow-privileged=true",
    // Names of nodes are no names: without this, logs and exec fail.
    "--kubelet-preferred-address-types=InternalIP",
    `--client-ca-file=${pki("ca.crt")}`,
    `--tls-cert-file=${pki("apiserver.crt")}`,
    `--tls-private-key-file=${pki("apiserver.key")}`,
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-key-file=${pki("token.pub")}`,
    `--service-account-signing-key-file=${pki("token.key")}`,
    `--kubelet-client-certificate=${pki("apiserver-kubelet.crt")}`,
    `--kubelet-client-key=${pki("apiserver-kubelet.key")}`,
    `--requestheader-client-ca-file=${pki("front-proxy-ca.crt")}`,
    "--requestheader-allowed-names=front-proxy",
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    `--proxy-client-cert-file=${pki("front-proxy.crt")}`,
    `--proxy-client-key-file=${pki("front-proxy.key")}`,
  ];
}
