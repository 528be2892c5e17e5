/** What a cluster has before anybody uses it, as manifests: DNS and a class of volumes. */
import { PROVISIONER } from "./control-plane.ts";
import { CONTROL_PLANE_ADDRESS, DNS_ADDRESS } from "./network.ts";

/** A `List` for `kubectl apply`. CoreDNS runs on the control plane's address, outside any pod. */
export function addons(): string {
  const dns = { name: "kube-dns", namespace: "kube-system" };
  const port = (name: string, protocol: string) => ({ name, port: 53, protocol });
  const ports = [port("dns", "UDP"), port("dns-tcp", "TCP")];
  const items = [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: dns,
      spec: { clusterIP: DNS_ADDRESS, ports },
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...dns, labels: { "kubernetes.io/service-name": dns.name } },
      addressType: "IPv4",
      ports,
      endpoints: [{ addresses: [CONTROL_PLANE_ADDRESS], conditions: { ready: true } }],
    },
    {
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: {
        name: "disk",
        annotations: { "storageclass.kubernetes.io/is-default-class": "true" },
      },
      provisioner: PROVISIONER,
      volumeBindingMode: "WaitForFirstConsumer",
      reclaimPolicy: "Delete",
    },
  ];
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}
