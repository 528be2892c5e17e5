/**
 * Where the API server is and how to prove who asks, and both from a pod's service account;
 * kubeconfig.ts reads them from files. The CA is read once; the token is read again, since
 * Kubernetes replaces it about every hour.
 */
import { readFileSync } from "node:fs";

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
