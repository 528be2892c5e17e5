/** No value without effect: each one changes what is rendered. */
import { describe, test } from "vitest";
import { VALUES } from "../document.ts";
import { renderText, tryRender } from "./render.ts";

type Value = (typeof VALUES)[number];

function leavesOf(values: readonly Value[]): readonly Value[] {
  return values.flatMap((value) =>
    value.children.length > 0 ? leavesOf(value.children) : [value],
  );
}

const SECRET = { auth: { existingSecret: "given" } };
const TLS = { tls: { enabled: true, existingSecret: "given" } };
const CERT_MANAGER = {
  tls: { enabled: true, certManager: { enabled: true, issuerRef: { name: "one" } } },
};
const LOAD_BALANCER = { service: { type: "LoadBalancer" } };

/** What must be there for a value to matter; the longest beginning of its path counts. */
const GROUNDS: Readonly<Record<string, object>> = {
  "": {},
  "auth.acl": { auth: { existingSecret: "given", acl: { users: [user("one")] } } },
  "bootstrap.externalPrimary.host": {},
  "bootstrap.externalPrimary": {
    bootstrap: { externalPrimary: { host: "old", username: "mover", existingSecret: "given" } },
  },
  "bootstrap.externalPrimary.tls.enabled": { bootstrap: { externalPrimary: { host: "old" } } },
  "bootstrap.externalPrimary.tls": {
    bootstrap: {
      externalPrimary: { host: "old", tls: { enabled: true, existingSecret: "given" } },
    },
  },
  "metrics.dashboard.enabled": {},
  "metrics.dashboard": { metrics: { dashboard: { enabled: true } } },
  "metrics.exporter.enabled": {},
  "metrics.exporter": { metrics: { exporter: { enabled: true } } },
  "metrics.podMonitor.enabled": {},
  "metrics.podMonitor": { metrics: { podMonitor: { enabled: true } } },
  "metrics.prometheusRule.enabled": {},
  "metrics.prometheusRule": { metrics: { prometheusRule: { enabled: true } } },
  "metrics.serviceMonitor.enabled": {},
  "metrics.serviceMonitor": { metrics: { serviceMonitor: { enabled: true } } },
  "persistence.acceptDataLoss": { replicas: 1, persistence: { mode: "none" } },
  "sentinelCompat.enabled": {},
  sentinelCompat: { sentinelCompat: { enabled: true } },
  "service.externalTrafficPolicy": LOAD_BALANCER,
  "service.loadBalancer": LOAD_BALANCER,
  "service.nodePort": LOAD_BALANCER,
  "service.read.enabled": {},
  tls: TLS,
  "tls.certManager": CERT_MANAGER,
  "tls.certManager.enabled": {
    tls: { enabled: true, certManager: { issuerRef: { name: "one" } } },
  },
  "tls.enabled": { tls: { existingSecret: "given" } },
  "tls.existingSecret": TLS,
};

/** Where the type does not tell what else a value could be. */
const OTHERS: Readonly<Record<string, unknown>> = {
  affinity: { nodeAffinity: {} },
  "auth.acl.users": [user("two")],
  clusterDomain: "example.org",
  commonAnnotations: { note: "here" },
  commonConfiguration: "hz 20",
  commonLabels: { team: "shop" },
  config: { hz: 20 },
  containerSecurityContext: { runAsNonRoot: true },
  "election.leaseDurationSeconds": 10,
  "election.priorities": { "orders-leasehold-2": 0 },
  extraContainers: [{ name: "one" }],
  extraInitContainers: [{ name: "one" }],
  extraVolumeMounts: [{ name: "one" }],
  extraVolumes: [{ name: "one" }],
  "image.digest": `sha256:${"1".repeat(64)}`,
  "metrics.dashboard.labels": { a: "b" },
  "metrics.exporter.image.digest": `sha256:${"1".repeat(64)}`,
  "metrics.exporter.resources": { requests: { cpu: "2" } },
  "metrics.prometheusRule.extraRules": [{ alert: "Own", expr: "vector(1)" }],
  "networkPolicy.extraIngress": [{}],
  "networkPolicy.metricsFrom": [{ podSelector: {} }],
  nodeSelector: { disk: "fast" },
  "openshift.enabled": true,
  "persistence.accessModes": ["ReadWriteOncePod"],
  "persistence.annotations": { note: "here" },
  "persistence.size": "9Gi",
  podAnnotations: { note: "here" },
  podLabels: { note: "here" },
  podSecurityContext: { runAsUser: 1000 },
  resources: { requests: { cpu: "2" } },
  "service.aliases": [{ name: "other", target: "write" }],
  "service.annotations": { note: "here" },
  "service.ipFamilies": ["IPv6"],
  "service.loadBalancerSourceRanges": ["10.0.0.0/8"],
  "service.read.annotations": { note: "here" },
  "serviceAccount.annotations": { note: "here" },
  "sidecar.image.digest": `sha256:${"1".repeat(64)}`,
  "sidecar.resources": { requests: { cpu: "2" } },
  "tls.certManager.issuerRef": { name: "other" },
  tolerations: [{ key: "one" }],
  topologySpreadConstraints: [{ topologyKey: "one" }],
  updateStrategy: { type: "OnDelete" },
};

function user(name: string) {
  return { name, rules: "~*", passwordKey: name };
}

/** Another value than the default, of the same type. */
function otherThan({ path, rules, standard }: Value): unknown {
  if (path in OTHERS) return OTHERS[path];
  const choices = rules["enum"] as readonly unknown[] | undefined;
  if (choices) return choices.find((choice) => choice !== standard && choice !== "");
  if (typeof standard === "boolean") return !standard;
  if (typeof standard === "number") return standard + 1;
  if (Array.isArray(standard)) return ["other"];
  return path.endsWith("Labels") || path.endsWith("labels") ? { a: "b" } : "other";
}

function at(path: string, value: unknown): object {
  return path.split(".").reduceRight<object>((inner, key) => ({ [key]: inner }), value as object);
}

describe.concurrent("each value changes what is rendered", () => {
  const renderings = new Map<string, Promise<string>>();
  // A password of Helm's own making is another one each time: rendering.test.ts looks at it.
  const values = leavesOf(VALUES).filter(({ path }) => path !== "auth.password");
  test.for(values.map((value) => [value.path, value] as const))(
    "%s",
    async ([path, value], { expect }) => {
      const [ground = ""] = Object.keys(GROUNDS)
        .filter((begin) => path.startsWith(begin))
        .toSorted((a, b) => b.length - a.length);
      const base = merged(SECRET, GROUNDS[ground] ?? {});
      const before =
        renderings.get(ground) ??
        tryRender({ values: base }).then(({ stdout, stderr }) => stdout + stderr);
      renderings.set(ground, before);
      const changed = merged(base, at(path, otherThan(value)));
      expect(await renderText({ values: changed })).not.toBe(await before);
    },
  );
});

type Tree = Readonly<Record<string, unknown>>;

function merged(below: object, above: object): object {
  const result: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
    const old = (below as Tree)[key];
    result[key] = isMap && typeof old === "object" && old ? merged(old, value as object) : value;
  }
  return result;
}
