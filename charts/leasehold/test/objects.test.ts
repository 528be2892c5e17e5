/** What the rendered objects promise, whatever the values. */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { controlName, historyName, LABEL, sliceName } from "@leasehold/kubernetes";
import {
  CHART,
  containersOf,
  find,
  GROUP,
  isHook,
  podSpecs,
  render,
  type Rendered,
} from "./render.ts";

const CI = readdirSync(`${CHART}/ci`).map((file) => file.replace("-values.yaml", ""));
const SELECTOR = { "app.kubernetes.io/name": "leasehold", "app.kubernetes.io/instance": "orders" };

describe.each(CI)("with the values %s", (ci) => {
  const rendering = render({ ci });

  test("no object is one that a sidecar writes", async () => {
    const objects = await rendering;
    const written = ["Lease", "EndpointSlice", "Endpoints", "Event"];
    expect(objects.filter(({ kind }) => written.includes(kind))).toEqual([]);
    const maps = objects.filter(({ kind }) => kind === "ConfigMap");
    const names = maps.map(({ metadata }) => metadata.name);
    expect(names).not.toContain(controlName(GROUP));
    expect(names).not.toContain(historyName(GROUP));
    expect(objects.every((object) => object.status === undefined)).toBe(true);
  });

  test("the write Service has the group's name, no selector and a port named redis", async () => {
    const { spec } = find(await rendering, "Service", GROUP);
    expect(spec.selector).toBeUndefined();
    expect(spec.ports[0]).toMatchObject({ name: "redis", targetPort: 6379, appProtocol: "redis" });
  });

  test("what Kubernetes freezes is what it always was", async () => {
    const { metadata, spec } = find(await rendering, "StatefulSet");
    expect(metadata.name).toBe(GROUP);
    expect(spec.selector).toEqual({ matchLabels: SELECTOR });
    expect(spec.serviceName).toBe(`${GROUP}-headless`);
    expect(spec.podManagementPolicy).toBe("Parallel");
    const claims = spec.volumeClaimTemplates ?? [];
    const labels = { ...SELECTOR, [LABEL.group]: GROUP };
    const data = { metadata: { name: "data", labels }, spec: { accessModes: ["ReadWriteOnce"] } };
    expect(claims).toMatchObject(ci === "cache" ? [] : [data]);
    for (const claim of claims) expect(claim.metadata.labels).toEqual(labels);
  });

  test("the sidecars find the members by label and name, and no test pod", async () => {
    const objects = await rendering;
    const { spec } = find(objects, "StatefulSet");
    expect(spec.template.metadata.labels).toMatchObject({ ...SELECTOR, [LABEL.group]: GROUP });
    for (const { metadata } of objects.filter(isHook)) {
      expect(metadata.labels[LABEL.group]).toBeUndefined();
      expect(metadata.labels["app.kubernetes.io/name"]).not.toBe("leasehold");
    }
  });

  test("every pod satisfies the Pod Security Standard restricted", async () => {
    const specs = podSpecs(await rendering);
    expect(specs.length).toBeGreaterThanOrEqual(3);
    expect(specs.flatMap(restrictedViolations)).toEqual([]);
  });

  test("the token is the sidecar's alone, and no Secret is in the environment", async () => {
    const specs = podSpecs((await rendering).filter(({ kind }) => kind === "StatefulSet"));
    for (const spec of specs) {
      expect(spec.automountServiceAccountToken).toBe(false);
      const holders = containersOf(spec).filter(({ volumeMounts = [] }) =>
        volumeMounts.some(({ name }: Rendered) => name === "api-token"),
      );
      expect(holders.map(({ name }) => name)).toEqual(["leasehold"]);
    }
    for (const container of podSpecs(await rendering).flatMap(containersOf)) {
      expect(JSON.stringify(container.env ?? [])).not.toContain("secretKeyRef");
      expect(container.envFrom).toBeUndefined();
    }
  });

  test("Redis sees no Secret: what it needs of them, the sidecar lays into the tmpfs", async () => {
    const { spec } = find(await rendering, "StatefulSet").spec.template;
    const redis = spec.containers.find(({ name }: Rendered) => name === "redis");
    const mounted = redis.volumeMounts.map(({ name }: Rendered) => name);
    const seen = spec.volumes.filter(({ name }: Rendered) => mounted.includes(name));
    expect(JSON.stringify(seen)).not.toContain('"secret');
  });

  test("every volume that is mounted exists, and every one that exists is mounted", async () => {
    for (const spec of podSpecs(await rendering)) {
      const mounted = containersOf(spec).flatMap(({ volumeMounts = [] }) =>
        volumeMounts.map(({ name }: Rendered) => name),
      );
      const there = (spec.volumes ?? []).map(({ name }: Rendered) => name);
      const claimed = mounted.includes("data") && ci !== "cache" ? ["data"] : [];
      expect(new Set(mounted)).toEqual(new Set([...there, ...claimed]));
    }
  });

  test("rights stay within the namespace and name no wildcard", async () => {
    const objects = await rendering;
    expect(objects.filter(({ kind }) => kind.startsWith("ClusterRole"))).toEqual([]);
    const rules = objects.filter(({ kind }) => kind === "Role").flatMap(({ rules: all }) => all);
    expect(JSON.stringify(rules)).not.toContain("*");
    expect(rules.flatMap(({ resources }) => resources)).not.toContain("secrets");
  });
});

/** Pod Security Standard "restricted", as far as a field may break it. */
function restrictedViolations(spec: Rendered): string[] {
  const found: string[] = [];
  const volumes = [
    "configMap",
    "downwardAPI",
    "emptyDir",
    "persistentVolumeClaim",
    "projected",
    "secret",
  ];
  for (const { name, ...source } of spec.volumes ?? []) {
    const [kind = ""] = Object.keys(source);
    if (!volumes.includes(kind)) found.push(`volume ${name} is a ${kind}`);
  }
  for (const field of ["hostNetwork", "hostPID", "hostIPC"]) if (spec[field]) found.push(field);
  const pod = spec.securityContext ?? {};
  if (pod.seccompProfile?.type !== "RuntimeDefault") found.push("seccompProfile");
  for (const container of containersOf(spec)) {
    const own = container.securityContext ?? {};
    const check = (what: string, holds: boolean) =>
      holds || found.push(`${container.name}: ${what}`);
    check("allowPrivilegeEscalation", own.allowPrivilegeEscalation === false);
    check("capabilities", own.capabilities?.drop?.includes("ALL") && !own.capabilities.add?.length);
    check("runAsNonRoot", (own.runAsNonRoot ?? pod.runAsNonRoot) === true);
    check("runAsUser", (own.runAsUser ?? pod.runAsUser) !== 0);
    check("privileged", !own.privileged);
    check("hostPort", !container.ports?.some((port: { hostPort?: number }) => port.hostPort));
  }
  return found;
}

test("the evaluator of Pod Security finds what it is there for", () => {
  const container = { name: "c", securityContext: { privileged: true, runAsUser: 0 } };
  const volumes = [{ name: "v", hostPath: { path: "/" } }];
  const found = restrictedViolations({ containers: [container], volumes, hostNetwork: true });
  expect(found).toHaveLength(8);
});

describe("the pod", () => {
  test("its sidecar is native and starts first; nothing judges Redis by liveness", async () => {
    const { spec } = find(await render(), "StatefulSet").spec.template;
    const [sidecar] = spec.initContainers;
    expect(sidecar).toMatchObject({
      name: "leasehold",
      restartPolicy: "Always",
      startupProbe: { httpGet: { path: "/probe/started", port: 8008 } },
      livenessProbe: { httpGet: { path: "/probe/live" } },
    });
    expect(sidecar.resources.limits.cpu).toBeUndefined();
    expect(spec.containers).toMatchObject([
      {
        name: "redis",
        command: ["sh", "/opt/leasehold/redis.sh"],
        startupProbe: { httpGet: { path: "/probe/redis-started" }, failureThreshold: 900 },
        readinessProbe: { httpGet: { path: "/probe/ready" } },
      },
    ]);
    expect(spec.containers[0].livenessProbe).toBeUndefined();
  });

  test("the containers of users start before the sidecar, and stay beside Redis", async () => {
    const { spec } = find(await render({ ci: "restricted" }), "StatefulSet").spec.template;
    expect(containersOf(spec).map(({ name }) => name)).toEqual([
      "first",
      "leasehold",
      "redis",
      "exporter",
    ]);
  });

  test("its hook waits for the hand-over, and leaves Redis 25 s of the grace period", async () => {
    const values = { terminationGracePeriodSeconds: 90 };
    const { spec } = find(await render({ values }), "StatefulSet").spec.template;
    expect(spec.terminationGracePeriodSeconds).toBe(90);
    expect(spec.containers[0].lifecycle.preStop.exec.command).toEqual([
      "sh",
      "/opt/leasehold/prestop.sh",
      "65",
    ]);
  });

  test("sidecar and guard share a tmpfs", async () => {
    const { spec } = find(await render(), "StatefulSet").spec.template;
    expect(spec.volumes).toContainEqual({
      name: "run",
      emptyDir: { medium: "Memory", sizeLimit: "4Mi" },
    });
    for (const { volumeMounts } of containersOf(spec)) {
      expect(volumeMounts).toContainEqual({ name: "run", mountPath: "/run/leasehold" });
    }
  });

  test("a change that its processes read at their start restarts it, others do not", async () => {
    const checksums = async (values: object) => {
      const all = { auth: { existingSecret: "given" }, ...values };
      const { annotations } = find(await render({ values: all }), "StatefulSet").spec.template
        .metadata;
      return JSON.stringify(annotations);
    };
    const first = await checksums({});
    expect(await checksums({ config: { hz: 20, maxmemory: "100mb" } })).toBe(first);
    expect(await checksums({ service: { port: 7000 }, replicas: 5 })).toBe(first);
    expect(await checksums({ config: { databases: 4 } })).not.toBe(first);
    expect(await checksums({ commonConfiguration: "hz 20" })).not.toBe(first);
    expect(await checksums({ switchover: { timeoutSeconds: 9 } })).not.toBe(first);
  });
});

test("a group of one has no PodDisruptionBudget that could block its drain", async () => {
  const kinds = async (ci: string) => (await render({ ci })).map(({ kind }) => kind);
  expect(await kinds("single")).not.toContain("PodDisruptionBudget");
  expect(await kinds("two")).toContain("PodDisruptionBudget");
  expect(find(await render(), "PodDisruptionBudget").spec).toMatchObject({
    maxUnavailable: 1,
    unhealthyPodEvictionPolicy: "AlwaysAllow",
  });
});

test("only members reach the members' port; clients need their label where others are kept out", async () => {
  const { spec } = find(await render(), "NetworkPolicy");
  const members = { podSelector: { matchLabels: SELECTOR } };
  const [redis, http, peers] = spec.ingress;
  expect([redis, http]).toEqual([{ ports: [{ port: 6379 }] }, { ports: [{ port: 8008 }] }]);
  expect(peers).toEqual({ ports: [{ port: 8009 }], from: [members] });
  const closed = find(await render({ ci: "restricted" }), "NetworkPolicy").spec.ingress;
  const client = { podSelector: { matchLabels: { [`${GROUP}-client`]: "true" } } };
  expect(closed[0]).toEqual({ ports: [{ port: 6379 }], from: [client, members] });
  expect(closed[3]).toEqual({ ports: [{ port: 9100 }] });
  const tests = (await render({ ci: "restricted" })).filter(({ kind }) => kind === "Pod");
  for (const { metadata } of tests) expect(metadata.labels[`${GROUP}-client`]).toBe("true");
});

test("images come from where the values say, for one registry or for each", async () => {
  const images = async (values: unknown) => {
    const { spec } = find(await render({ values }), "StatefulSet").spec.template;
    return containersOf(spec).map(({ image }) => image);
  };
  const digest = `sha256:${"1".repeat(64)}`;
  expect(await images({})).toEqual([
    expect.stringMatching(/^leasehold\/sidecar:\d/),
    expect.stringMatching(/^docker\.io\/redis:8/),
  ]);
  expect(await images({ engine: "valkey" })).toContainEqual(
    expect.stringMatching(/^docker\.io\/valkey\/valkey:8/),
  );
  const pinned = { digest, repository: "own/redis" };
  expect(await images({ global: { imageRegistry: "example.org" }, image: pinned })).toEqual([
    expect.stringMatching(/^example\.org\/leasehold\/sidecar:/),
    `example.org/own/redis@${digest}`,
  ]);
});

test("pull Secrets are told by name, however they are written", async () => {
  const values = { global: { imagePullSecrets: ["a"] }, image: { pullSecrets: [{ name: "b" }] } };
  for (const spec of podSpecs(await render({ values }))) {
    expect(spec.imagePullSecrets).toEqual([{ name: "a" }, { name: "b" }]);
  }
});

test("OpenShift gives user and group, and asks for a right of its own", async () => {
  const flags = ["--api-versions", "security.openshift.io/v1"];
  for (const objects of [await render({ ci: "openshift" }), await render({ flags })]) {
    const { securityContext } = find(objects, "StatefulSet").spec.template.spec;
    expect(Object.keys(securityContext)).not.toContain("runAsUser");
    expect(Object.keys(securityContext)).not.toContain("fsGroup");
    const rules = find(objects, "Role", GROUP).rules;
    expect(rules.flatMap(({ resources }: Rendered) => resources)).toContain(
      "endpointslices/restricted",
    );
  }
});

test("two releases in one namespace share no name and no label that selects", async () => {
  const [one, other] = await Promise.all(["orders", "carts"].map((release) => render({ release })));
  const names = (objects: typeof one) =>
    objects!.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
  expect(names(one).filter((name) => names(other).includes(name))).toEqual([]);
  const selector = (objects: typeof one) => find(objects!, "StatefulSet").spec.selector;
  expect(selector(one)).not.toEqual(selector(other));
});

test("while clients move to TLS every address has the plain port, too", async () => {
  const objects = await render({ ci: "tls" });
  for (const name of [GROUP, `${GROUP}-read`, `${GROUP}-headless`]) {
    const { ports } = find(objects, "Service", name).spec;
    expect(ports).toContainEqual(
      expect.objectContaining({ name: "redis-plain", port: 6380, targetPort: 6380 }),
    );
  }
  const [redis] = find(objects, "NetworkPolicy").spec.ingress;
  expect(redis.ports).toEqual([{ port: 6379 }, { port: 6380 }]);
});

test("both addresses say whether they speak TLS, beside what the user notes there", async () => {
  const service = { annotations: { a: "b" } };
  const [encrypted, plain] = await Promise.all([
    render({ ci: "tls", values: { service } }),
    render({ values: { service } }),
  ]);
  const annotations = (objects: typeof plain, name: string) =>
    find(objects, "Service", name).metadata.annotations;
  expect(annotations(encrypted, GROUP)).toEqual({ a: "b", "leasehold.dev/tls": "true" });
  expect(annotations(encrypted, `${GROUP}-read`)).toEqual({ "leasehold.dev/tls": "true" });
  expect(annotations(plain, GROUP)).toEqual({ a: "b" });
  expect(annotations(plain, `${GROUP}-read`)).toBeUndefined();
});

test("a long release name leaves room for what Kubernetes and the sidecars append", async () => {
  const release = "r".repeat(53);
  const objects = await render({ release });
  const { name } = find(objects, "StatefulSet").metadata;
  expect(`${name}-0123456789`.length).toBeLessThanOrEqual(63);
  for (const { kind, metadata } of objects.filter(({ kind: one }) => one === "Service")) {
    expect(`${kind} ${metadata.name}`.length).toBeLessThanOrEqual(63 + kind.length + 1);
  }
  expect(sliceName(name, "IPv6").length).toBeLessThanOrEqual(63);
});

test("labels and annotations for all reach all, and change nothing that selects", async () => {
  const values = {
    commonLabels: { team: "shop", "app.kubernetes.io/instance": "stolen" },
    commonAnnotations: { note: "here" },
  };
  for (const object of (await render({ values })).filter((one) => !isHook(one))) {
    expect(object.metadata.labels).toMatchObject({ team: "shop", ...SELECTOR });
    expect(object.metadata.annotations.note).toBe("here");
  }
});

test("aliases lead to the Service that they name", async () => {
  const objects = await render({ ci: "cert-manager" });
  expect(find(objects, "Service", "orders-redis-master").spec).toEqual({
    type: "ExternalName",
    externalName: `${GROUP}.shop.svc.cluster.local`,
  });
  expect(find(objects, "Service", "orders-redis-replicas").spec.externalName).toBe(
    `${GROUP}-read.shop.svc.cluster.local`,
  );
  const { dnsNames } = find(objects, "Certificate").spec;
  expect(dnsNames).toEqual(
    expect.arrayContaining([
      GROUP,
      `${GROUP}-read.shop.svc`,
      `*.${GROUP}-headless.shop.svc.cluster.local`,
      "orders-redis-master.shop",
      "localhost",
    ]),
  );
});

test("maxmemory is a part of the memory limit, unless it is given", async () => {
  const lines = async (values: unknown) => {
    const { data } = find(await render({ values }), "ConfigMap", GROUP);
    return JSON.parse(data["sidecar.json"]).redis.configuration as string[];
  };
  const limit = (memory: unknown) => ({ resources: { limits: { memory } } });
  expect(await lines(limit("1Gi"))).toEqual([`maxmemory ${Math.floor(2 ** 30 * 0.65)}`]);
  expect(await lines(limit("1.5G"))).toEqual(["maxmemory 975000000"]);
  expect(await lines(limit(1_000_000_000))).toEqual(["maxmemory 650000000"]);
  expect(await lines({ maxMemoryPercent: 0 })).toEqual([]);
  expect(await lines({ config: { maxmemory: "100mb" } })).toEqual(["maxmemory 100mb"]);
});
