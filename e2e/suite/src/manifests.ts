/** The agents' objects: a namespace of their own, their program, one pod on each node. */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { AGENT_PORT } from "./agent-call.ts";

export const AGENT_LABELS = { app: "leasehold-load" } as const;
const NAME = "load";

/** The agent as one file: what a ConfigMap can hold. */
export async function bundleAgent(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("agent.ts", import.meta.url))],
    bundle: true,
    write: false,
    platform: "node",
    target: "node24",
    format: "esm",
    minify: true,
    logLevel: "warning",
    // Some dependencies are CommonJS and call `require` for Node's own modules.
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
  });
  return outputFiles[0]?.text ?? "";
}

export function agentManifests(program: string): readonly unknown[] {
  const container = {
    name: "agent",
    image: "docker.io/leasehold/sidecar:dev",
    imagePullPolicy: "IfNotPresent",
    command: ["node", "/agent/agent.mjs"],
    ports: [{ containerPort: AGENT_PORT }],
    readinessProbe: { tcpSocket: { port: AGENT_PORT }, periodSeconds: 1 },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [{ name: "agent", mountPath: "/agent" }],
  };
  const podSpec = {
    terminationGracePeriodSeconds: 1,
    enableServiceLinks: false,
    automountServiceAccountToken: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 999,
      seccompProfile: { type: "RuntimeDefault" },
    },
    containers: [container],
    volumes: [{ name: "agent", configMap: { name: NAME } }],
  };
  // A pod that runs does not read a changed program.
  const annotations = { program: createHash("sha256").update(program).digest("hex") };
  return [
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: NAME },
      data: { "agent.mjs": program },
    },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: NAME },
      spec: {
        selector: { matchLabels: AGENT_LABELS },
        template: { metadata: { labels: AGENT_LABELS, annotations }, spec: podSpec },
      },
    },
  ];
}
