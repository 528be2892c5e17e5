/** What the rendered objects promise with what nobody gets who did not ask for it. */
import { describe, expect, test } from "vitest";
import { LABEL } from "@leasehold/kubernetes";
import { find, GROUP, render, type Rendered } from "./render.ts";

const SELECTOR = { "app.kubernetes.io/name": "leasehold", "app.kubernetes.io/instance": "orders" };

describe("the exporter", () => {
  const exporterOf = async (values: object, ci?: string) => {
    const all = { ...values, metrics: { exporter: { enabled: true } } };
    const objects = await render(ci === undefined ? { values: all } : { ci, values: all });
    const { spec } = find(objects, "StatefulSet").spec.template;
    const container = spec.containers.find(({ name }: Rendered) => name === "redis-exporter");
    const env = container.env.map(({ name, value }: Rendered) => [name, value]);
    return { objects, spec, container, env: Object.fromEntries(env) };
  };

  test("is a user of its own, who finds its password in a tmpfs of its own and may not write it", async () => {
    const { spec, container, env, objects } = await exporterOf({});
    expect(env).toEqual({
      REDIS_ADDR: "redis://localhost:6379",
      REDIS_USER: "leasehold-exporter",
      REDIS_PASSWORD_FILE: "/run/leasehold-exporter/passwords.json",
      REDIS_EXPORTER_CONFIG_COMMAND: "-",
    });
    expect(container.volumeMounts).toEqual([
      { name: "exporter", mountPath: "/run/leasehold-exporter", readOnly: true },
    ]);
    expect(spec.volumes).toContainEqual({
      name: "exporter",
      emptyDir: { medium: "Memory", sizeLimit: "1Mi" },
    });
    const { data } = find(objects, "ConfigMap", GROUP);
    expect(JSON.parse(data["sidecar.json"]).auth.exporterFile).toBe(env["REDIS_PASSWORD_FILE"]);
    expect(container.readinessProbe ?? container.livenessProbe).toBeUndefined();
  });

  test("speaks TLS, with a certificate where Redis asks for one, and needs no user without auth", async () => {
    const { env } = await exporterOf({}, "tls");
    expect(env).toMatchObject({
      REDIS_ADDR: "rediss://localhost:6379",
      REDIS_EXPORTER_SKIP_TLS_VERIFICATION: "true",
      REDIS_EXPORTER_TLS_CLIENT_CERT_FILE: "/etc/leasehold/tls/tls.crt",
    });
    const open = await exporterOf({ auth: { enabled: false } });
    expect(Object.keys(open.env)).toEqual(["REDIS_ADDR", "REDIS_EXPORTER_CONFIG_COMMAND"]);
    expect(open.container.volumeMounts).toBeUndefined();
    expect(open.spec.volumes.map(({ name }: Rendered) => name)).not.toContain("exporter");
  });

  test("is reached by the monitors, by name and through the NetworkPolicy", async () => {
    const { objects } = await exporterOf({}, "metrics");
    expect(find(objects, "ServiceMonitor").spec.endpoints).toContainEqual(
      expect.objectContaining({ port: "exporter" }),
    );
    expect(find(objects, "PodMonitor").spec.podMetricsEndpoints).toHaveLength(2);
    const { ports } = find(objects, "Service", `${GROUP}-headless`).spec;
    expect(ports).toContainEqual(expect.objectContaining({ name: "exporter", targetPort: 9121 }));
    expect(find(objects, "NetworkPolicy").spec.ingress[1].ports).toEqual([
      { port: 8008 },
      { port: 9121 },
    ]);
  });
});

test("the read address leaves the primary out by a label that the sidecars then keep", async () => {
  const roleLabels = (objects: readonly Rendered[]) =>
    JSON.parse(find(objects, "ConfigMap", GROUP).data["sidecar.json"]).roleLabels;
  const any = await render();
  expect(find(any, "Service", `${GROUP}-read`).spec.selector).toEqual(SELECTOR);
  expect(roleLabels(any)).toEqual({ enabled: false });
  const objects = await render({ values: { service: { read: { scope: "replicas" } } } });
  expect(find(objects, "Service", `${GROUP}-read`).spec.selector).toEqual({
    ...SELECTOR,
    [LABEL.role]: "replica",
  });
  expect(roleLabels(objects)).toEqual({ enabled: true });
  // A new pod is no replica before its sidecar says so.
  const { labels } = find(objects, "StatefulSet").spec.template.metadata;
  expect(labels[LABEL.role]).toBeUndefined();
  expect(find(objects, "Service", `${GROUP}-headless`).spec.selector).toEqual(SELECTOR);
});

test("the port for clients of Sentinel is there for who asks, by name and through the policy", async () => {
  const sidecarOf = (objects: readonly Rendered[]) =>
    JSON.parse(find(objects, "ConfigMap", GROUP).data["sidecar.json"]);
  expect(sidecarOf(await render())).not.toHaveProperty("sentinel");
  const objects = await render({ ci: "sentinel-compat" });
  expect(sidecarOf(objects).sentinel).toEqual({ enabled: true, port: 26_379, masterSet: "orders" });
  const port = expect.objectContaining({ name: "sentinel", port: 26_379, targetPort: 26_379 });
  expect(find(objects, "Service", `${GROUP}-headless`).spec.ports).toContainEqual(port);
  expect(find(objects, "Service", GROUP).spec.ports).not.toContainEqual(port);
  const [redis] = find(objects, "NetworkPolicy").spec.ingress;
  expect(redis.ports).toEqual([{ port: 6379 }, { port: 26_379 }]);
  const { initContainers } = find(objects, "StatefulSet").spec.template.spec;
  expect(initContainers[0].ports).toContainEqual({ name: "sentinel", containerPort: 26_379 });
});

test("metrics are read by whom the values name, and by the members", async () => {
  const monitoring = { namespaceSelector: { matchLabels: { team: "monitoring" } } };
  const values = { networkPolicy: { metricsFrom: [monitoring] } };
  const [redis, http] = find(await render({ values }), "NetworkPolicy").spec.ingress;
  expect(redis.from).toBeUndefined();
  expect(http).toEqual({
    ports: [{ port: 8008 }],
    from: [monitoring, { podSelector: { matchLabels: SELECTOR } }],
  });
});
