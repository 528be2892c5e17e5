/**
 * The configuration files of a node's daemons, as text. Pure.
 *
 * Each unusual setting says why it is there; the paths are those that node-init.sh prepares.
 */
import { stringify } from "yaml";
import type { Hierarchy } from "./cgroups.ts";
import { CONTROL_PLANE_ADDRESS, DNS_ADDRESS, POD_RANGE, podRangeOf } from "./network.ts";
import type { NodeAddress } from "./network.ts";

export const PAUSE_IMAGE = "registry.local/pause:1";
const NODE = "/run/leasehold/node";
const GIB = 1024 ** 3;

export const KUBE_PROXY_MODES = ["nftables", "iptables"] as const;
export type KubeProxyMode = (typeof KUBE_PROXY_MODES)[number];

export interface Machine {
  readonly memoryBytes: number;
  /** The hard limit: it cannot be raised everywhere. */
  readonly openFiles: number;
}

export function kubeletConfiguration({ memoryBytes, openFiles }: Machine): string {
  // Every node sees the whole machine: leave it a share that many pods fit into.
  const allocatableBytes = Math.min(6 * GIB, memoryBytes / 3);
  const reservedMib = Math.floor((memoryBytes - allocatableBytes) / 1024 ** 2);
  return stringify({
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    // 1.35 and later refuse version 1 of control groups unless told otherwise.
    failCgroupV1: false,
    cgroupDriver: "cgroupfs",
    enforceNodeAllocatable: ["pods"],
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    failSwapOn: false,
    // Neither can be had without CAP_SYS_RESOURCE.
    oomScoreAdj: 0,
    maxOpenFiles: openFiles,
    systemReserved: { memory: `${reservedMib}Mi` },
    evictionHard: {
      "memory.available": "100Mi",
      "nodefs.available": "1%",
      "nodefs.inodesFree": "1%",
      "imagefs.available": "1%",
    },
    // Never delete an image: there is no registry to bring it back from.
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: `${NODE}/ca.crt` },
    },
    authorization: { mode: "Webhook" },
    tlsCertFile: `${NODE}/node.crt`,
    tlsPrivateKeyFile: `${NODE}/node.key`,
    clusterDomain: "cluster.local",
    clusterDNS: [DNS_ADDRESS],
    resolvConf: `${NODE}/resolv.conf`,
    // The default lies outside the node.
    volumePluginDir: "/var/lib/kubelet/volume-plugins",
    nodeStatusUpdateFrequency: "4s",
    nodeLeaseDurationSeconds: 40,
  });
}

export function kubeProxyConfiguration(mode: KubeProxyMode): string {
  return stringify({
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode,
    clusterCIDR: POD_RANGE,
    clientConnection: { kubeconfig: `${NODE}/kube-proxy.kubeconfig` },
    // Read-only outside the machine's first network namespace.
    conntrack: { maxPerCore: 0, min: 0 },
    oomScoreAdj: 0,
  });
}

/** The pods of a node hang on a bridge; routes to other nodes' pods are those of the node. */
export function podNetwork(node: NodeAddress): string {
  const bridge = {
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    ipMasq: false,
    hairpinMode: true,
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: podRangeOf(node) }]],
      routes: [{ dst: "0.0.0.0/0" }],
    },
  };
  return JSON.stringify({ cniVersion: "1.0.0", name: "pods", plugins: [bridge] });
}

export function containerdConfiguration(): string {
  return `version = 3
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "${PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE oom_score_adj can be raised only.
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/run/leasehold/bin"]
  conf_dir = "${NODE}/cni"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  BinaryName = "/run/leasehold/bin/runc"
  SystemdCgroup = false
`;
}

/** Lines "type mountpoint options" for node-init.sh. */
export function cgroupMounts(hierarchies: readonly Hierarchy[]): string {
  const own = hierarchies.map(({ mountPoint, version, options }) =>
    `${version === 2 ? "cgroup2" : "cgroup"} ${mountPoint} ${options}`.trim(),
  );
  const separate = hierarchies.some(({ version }) => version === 1);
  return `${[...(separate ? ["tmpfs /sys/fs/cgroup mode=755"] : []), ...own].join("\n")}\n`;
}

export function resolvConf(): string {
  return `nameserver ${CONTROL_PLANE_ADDRESS}\n`;
}

export function dnsConfiguration(kubeconfig: string): string {
  return `.:53 {
  bind ${CONTROL_PLANE_ADDRESS}
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfig}
    pods insecure
    ttl 5
  }
  cache 5
}
`;
}
