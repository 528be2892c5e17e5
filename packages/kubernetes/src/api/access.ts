/**
 * Where the API server is and how to prove who asks: from a pod's service account or from a
 * kubeconfig file.
 *
 * Of a kubeconfig it takes server, CA, token, tokenFile and client certificates. Refused with a
 * sentence: exec plugins, basic auth, proxies. Files are read when access is loaded; only the
 * token is read again, since Kubernetes replaces it about every hour.
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isRecord, listAt, recordAt, textAt } from "./object.ts";

export interface ClusterAccess {
  /** Without a slash at its end. */
  readonly server: string;
  readonly namespace: string;
  /** PEM; null: the system's authorities. */
  readonly ca: string | null;
  readonly clientCertificate: { readonly certPem: string; readonly keyPem: string } | null;
  /** Null: no bearer token (client certificate). */
  readonly token: TokenSource | null;
}

export interface TokenSource {
  /** Rejects if the token cannot be read and never was. */
  current(): Promise<string>;
  /** The API server refused the token: read it again at the next call. */
  refused(): void;
}

const SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_MAX_AGE_MS = 60_000;

export interface InClusterOptions {
  readonly host: string;
  readonly port: string;
  /** Default: where Kubernetes mounts it. */
  readonly directory?: string;
}

/** `host` and `port` are KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. */
export function inClusterAccess(options: InClusterOptions): ClusterAccess {
  const directory = options.directory ?? SERVICE_ACCOUNT_DIR;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    server: `https://${host}:${options.port}`,
    namespace: readFileSync(`${directory}/namespace`, "utf8").trim(),
    ca: readFileSync(`${directory}/ca.crt`, "utf8"),
    clientCertificate: null,
    token: fileToken(`${directory}/token`),
  };
}

/** Reads a kubeconfig file; `context` defaults to its current one. */
export async function kubeconfigAccess(path: string, context?: string): Promise<ClusterAccess> {
  return parseKubeconfig(readFileSync(path, "utf8"), { directory: dirname(path), context });
}

export interface KubeconfigOptions {
  /** Relative file names count from here. */
  readonly directory: string;
  readonly context?: string | undefined;
}

/** Throws with a sentence that names the entry and what to write instead. */
export async function parseKubeconfig(
  text: string,
  options: KubeconfigOptions,
): Promise<ClusterAccess> {
  // Only people and tests use a kubeconfig: a pod never loads the YAML parser.
  const { parse } = await import("yaml");
  const config: unknown = parse(text);
  const contextName = options.context ?? textAt(config, "current-context") ?? "";
  const context = entry(config, { list: "contexts", name: contextName, field: "context" });
  const clusterName = textAt(context, "cluster") ?? "";
  const cluster = entry(config, { list: "clusters", name: clusterName, field: "cluster" });
  const userName = textAt(context, "user") ?? "";
  const user = entry(config, { list: "users", name: userName, field: "user" });
  const server = textAt(cluster, "server")?.replace(/\/+$/, "");
  if (!server?.startsWith("https://")) {
    throw new Error(
      `kubeconfig: cluster "${clusterName}" needs a \`server\` that begins with https://.`,
    );
  }
  refuseUnknown(cluster, user, userName);
  const file = (name: string): string => resolve(options.directory, name);
  return {
    server,
    namespace: textAt(context, "namespace") ?? "default",
    ca: pemOf(cluster, "certificate-authority", file),
    clientCertificate: clientCertificateOf(user, file),
    token: tokenOf(user, file),
  };
}

function refuseUnknown(
  cluster: Readonly<Record<string, unknown>>,
  user: Readonly<Record<string, unknown>>,
  userName: string,
): void {
  if (cluster["insecure-skip-tls-verify"] === true) {
    throw new Error(
      "kubeconfig: insecure-skip-tls-verify is refused: give certificate-authority-data.",
    );
  }
  if (cluster["proxy-url"] !== undefined) {
    throw new Error("kubeconfig: proxy-url is not supported: reach the API server directly.");
  }
  for (const key of ["exec", "auth-provider", "username"]) {
    if (user[key] === undefined) continue;
    throw new Error(
      `kubeconfig: user "${userName}" uses ${key}, which is not supported: give a token ` +
        `(kubectl create token) or a client certificate.`,
    );
  }
}

function entry(
  config: unknown,
  wanted: { readonly list: string; readonly name: string; readonly field: string },
): Readonly<Record<string, unknown>> {
  const found = listAt(config, wanted.list).find((item) => textAt(item, "name") === wanted.name);
  if (!isRecord(found)) {
    throw new Error(
      `kubeconfig: no entry "${wanted.name}" in ${wanted.list}: add it or choose another context.`,
    );
  }
  return recordAt(found, wanted.field);
}

/** `<key>-data` in base64, or the file that `<key>` names. */
function pemOf(
  from: Readonly<Record<string, unknown>>,
  key: string,
  file: (name: string) => string,
): string | null {
  const data = textAt(from, `${key}-data`);
  if (data !== null) return Buffer.from(data, "base64").toString("utf8");
  const name = textAt(from, key);
  return name === null ? null : readFileSync(file(name), "utf8");
}

function clientCertificateOf(
  user: Readonly<Record<string, unknown>>,
  file: (name: string) => string,
): ClusterAccess["clientCertificate"] {
  const certPem = pemOf(user, "client-certificate", file);
  const keyPem = pemOf(user, "client-key", file);
  return certPem !== null && keyPem !== null ? { certPem, keyPem } : null;
}

function tokenOf(
  user: Readonly<Record<string, unknown>>,
  file: (name: string) => string,
): TokenSource | null {
  const name = textAt(user, "tokenFile");
  if (name !== null) return fileToken(file(name));
  const token = textAt(user, "token");
  return token === null ? null : { current: () => Promise.resolve(token), refused: () => {} };
}

/** A projected token lies on a tmpfs: reading it synchronously costs microseconds. */
export function fileToken(path: string, now: () => number = () => performance.now()): TokenSource {
  let token: string | null = null;
  let readAtMs = 0;
  return {
    async current() {
      if (token !== null && now() - readAtMs < TOKEN_MAX_AGE_MS) return token;
      try {
        token = readFileSync(path, "utf8").trim();
        readAtMs = now();
      } catch (error) {
        // The old token may still be good; the server will say so if it is not.
        if (token === null) throw error;
      }
      return token;
    },
    refused() {
      readAtMs = Number.NEGATIVE_INFINITY;
    },
  };
}
