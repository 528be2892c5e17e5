/**
 * What Leasehold relies on in a Kubernetes API server, as tests that run against the fake and
 * against a real kube-apiserver. What only the fake can show (faults, RBAC by a Role, pods that
 * end) is tested beside the fake.
 */
import { afterAll, describe } from "vitest";
import { CONTRACT_LABEL, createCollection } from "./collection.ts";
import { configMapContract, deletionContract, listContract, patchContract } from "./config-maps.ts";
import { sliceFieldContract, sliceVersionContract } from "./endpoint-slices.ts";
import { eventContract } from "./events.ts";
import {
  deletedLeaseContract,
  leaseDryRunContract,
  leaseFieldContract,
  leaseMetadataContract,
  leaseVersionContract,
} from "./leases.ts";
import { createRawClient } from "./raw-client.ts";
import { watchContract } from "./watches.ts";

export interface KubernetesApiUnderTest {
  /** Text of a kubeconfig whose user may do everything in `namespace`. */
  readonly kubeconfig: string;
  /** Must exist. */
  readonly namespace: string;
}

/** Registers the suite with vitest; removes what it made when it is done. */
export function describeKubernetesApi({ kubeconfig, namespace }: KubernetesApiUnderTest): void {
  describe("the Kubernetes API that Leasehold relies on", () => {
    const client = createRawClient(kubeconfig);
    const collection = (group: string, plural: string) =>
      createCollection(client, `${group}/namespaces/${namespace}/${plural}`);
    const leases = collection("/apis/coordination.k8s.io/v1", "leases");
    const slices = collection("/apis/discovery.k8s.io/v1", "endpointslices");
    const configMaps = collection("/api/v1", "configmaps");
    const events = collection("/api/v1", "events");

    leaseVersionContract(leases);
    leaseDryRunContract(leases);
    deletedLeaseContract(leases);
    leaseFieldContract(leases);
    leaseMetadataContract(leases);
    sliceVersionContract(slices);
    sliceFieldContract(slices);
    configMapContract(configMaps);
    patchContract(configMaps);
    deletionContract(configMaps);
    listContract(configMaps);
    watchContract(configMaps);
    eventContract(events, namespace);

    afterAll(async () => {
      for (const { path, remove } of [leases, slices, configMaps, events]) {
        const { body } = await client.call(`${path}?labelSelector=${CONTRACT_LABEL}`);
        for (const { metadata } of body.items) await remove(metadata.name);
      }
      client.close();
    });
  });
}
