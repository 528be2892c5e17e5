import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { addons } from "../src/addons.ts";
import { opensslConfiguration } from "../src/certificates.ts";
import { kubeletConfiguration, kubeProxyConfiguration, podNetwork } from "../src/configuration.ts";
import { settingsFrom } from "../src/environment.ts";
import { isNodeInit } from "../src/node.ts";
import { placeOf } from "../src/own-cluster.ts";

const GIB = 1024 ** 3;

describe("a kubelet", () => {
  const reservedFor = (memoryBytes: number): string => {
    const text = kubeletConfiguration({ memoryBytes, openFiles: 20_000 });
    return (parse(text) as { systemReserved: { memory: string } }).systemReserved.memory;
  };

  test("hands out 6 GiB of a large machine, and a third of a small one", () => {
    expect(reservedFor(24 * GIB)).toBe(`${18 * 1024}Mi`);
    expect(reservedFor(6 * GIB)).toBe(`${4 * 1024}Mi`);
  });
});

test("kube-proxy gets the mode that was asked for", () => {
  expect(parse(kubeProxyConfiguration("iptables"))).toMatchObject({ mode: "iptables" });
});

test("each node's pods have a range of their own", () => {
  const rangeOf = (index: number) =>
    /10\.244\.\d+\.0\/24/.exec(podNetwork({ name: `n${index}`, index }))?.[0];
  expect([1, 2, 3].map(rangeOf)).toEqual(["10.244.1.0/24", "10.244.2.0/24", "10.244.3.0/24"]);
});

test("the class of volumes waits for a pod, so that a volume is on that pod's node", () => {
  const { items } = JSON.parse(addons()) as { items: { kind: string }[] };
  expect(items.find(({ kind }) => kind === "StorageClass")).toMatchObject({
    volumeBindingMode: "WaitForFirstConsumer",
  });
});

describe("a certificate", () => {
  test("of an authority may sign, and no other", () => {
    const authority = opensslConfiguration({ name: "ca", commonName: "c" });
    const node = opensslConfiguration({
      name: "n1",
      authority: "ca",
      commonName: "system:node:n1",
      organization: "system:nodes",
      hosts: ["IP:10.89.0.11", "DNS:n1"],
    });
    expect(authority).toContain("CA:TRUE");
    expect(node).not.toContain("CA:TRUE");
    expect(node).toContain("O = system:nodes\nCN = system:node:n1\n");
    expect(node).toContain("subjectAltName = IP:10.89.0.11, DNS:n1\n");
  });
});

describe("the first process of a node", () => {
  test.each([
    ["Name:\tsh\nNSpid:\t4321\t1\nThreads:\t1\n", true],
    ["Name:\tkubelet\nNSpid:\t4400\t88\n", false],
    ["Name:\tpause\nNSpid:\t4500\t120\t1\n", false],
    ["Name:\tetcd\nNSpid:\t17\n", false],
    ["", false],
  ])("is told by its numbers: %j", (status, expected) => {
    expect(isNodeInit(status)).toBe(expected);
  });
});

describe("a container", () => {
  const pod = {
    spec: { nodeName: "n2" },
    status: {
      containerStatuses: [{ name: "redis", containerID: "containerd://abc" }],
      initContainerStatuses: [{ name: "leasehold", containerID: "containerd://def" }],
    },
  };

  test("is found by its id, a native sidecar too", () => {
    expect(placeOf(pod, "redis")).toEqual({ node: "n2", id: "abc" });
    expect(placeOf(pod, "leasehold")).toEqual({ node: "n2", id: "def" });
  });

  test("that does not run is named", () => {
    expect(() => placeOf(pod, "other")).toThrow("container other does not run");
  });
});

describe("the cache", () => {
  test("lies where the user says, else in the user's cache folder", () => {
    expect(settingsFrom({ LEASEHOLD_CLUSTER_CACHE: "/a" }).cache).toBe("/a");
    expect(settingsFrom({ XDG_CACHE_HOME: "/b" }).cache).toBe("/b/leasehold/cluster");
    expect(settingsFrom({ XDG_CACHE_HOME: "" }).cache).toMatch(/\/\.cache\/leasehold\/cluster$/);
  });
});
