/**
 * Access from kubeconfig files, as kubectl reads them.
 *
 * It takes server, CA, token, tokenFile and client certificates, and credential plugins where the
 * caller lets programs be run: people do, a sidecar never does. Of several files the first that has
 * an entry counts, and file names in it are relative to that file. Refused with a sentence: basic
 * auth, auth providers, proxies, unchecked certificates. Files are read when access is loaded.
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileToken } from "./access.ts";
import type { ClusterAccess, TokenSource } from "./access.ts";
import { pluginOf, startPlugin, type PluginEnvironment } from "./credential-plugin.ts";
import { isRecord, listAt, recordAt, textAt } from "./object.ts";

export interface KubeconfigChoice {
  /** Default: the current one of the first file that names one. */
  readonly context?: string | undefined;
  /** What a credential plugin inherits. Default: none may be run. */
  readonly pluginEnvironment?: PluginEnvironment;
}

export interface KubeconfigOptions extends KubeconfigChoice {
  /** Relative file names count from here. */
  readonly directory: string;
}

type Fields = Readonly<Record<string, unknown>>;

interface File {
  readonly config: unknown;
  readonly directory: string;
}

interface Entry {
  readonly fields: Fields;
  /** Turns a file name in this entry into a path. */
  readonly file: (name: string) => string;
}

/** Reads one kubeconfig file. */
export async function kubeconfigAccess(
  path: string,
  choice: KubeconfigChoice = {},
): Promise<ClusterAccess> {
  return kubeconfigFilesAccess([path], choice);
}

/** Reads several files as one, such as those that KUBECONFIG lists. Throws if one is not there. */
export async function kubeconfigFilesAccess(
  paths: readonly string[],
  choice: KubeconfigChoice = {},
): Promise<ClusterAccess> {
  const files = paths.map((path) => parseFile(readFileSync(path, "utf8"), dirname(path)));
  return accessFrom(await Promise.all(files), choice);
}

/** Throws with a sentence that names the entry and what to write instead. */
export async function parseKubeconfig(
  text: string,
  { directory, ...choice }: KubeconfigOptions,
): Promise<ClusterAccess> {
  return accessFrom([await parseFile(text, directory)], choice);
}

async function parseFile(text: string, directory: string): Promise<File> {
  // Only people and tests use a kubeconfig: a pod never loads the YAML parser.
  const { parse } = await import("yaml");
  return { config: parse(text) as unknown, directory };
}

async function accessFrom(
  files: readonly File[],
  choice: KubeconfigChoice,
): Promise<ClusterAccess> {
  const current = files.map(({ config }) => textAt(config, "current-context")).find(Boolean);
  const contextName = choice.context ?? current ?? "";
  const { fields: context } = entry(files, { list: "contexts", name: contextName });
  const clusterName = textAt(context, "cluster") ?? "";
  const cluster = entry(files, { list: "clusters", name: clusterName });
  const userName = textAt(context, "user") ?? "";
  const user = entry(files, { list: "users", name: userName });
  const server = textAt(cluster.fields, "server")?.replace(/\/+$/, "");
  if (!server?.startsWith("https://")) {
    throw new Error(
      `kubeconfig: cluster "${clusterName}" needs a \`server\` that begins with https://.`,
    );
  }
  refuseUnknown(cluster.fields, user.fields, userName);
  if (user.fields["exec"] !== undefined && choice.pluginEnvironment === undefined) {
    throw new Error(
      `kubeconfig: user "${userName}" uses exec, which is not run here: give a token ` +
        `(kubectl create token) or a client certificate.`,
    );
  }
  const ca = pemOf(cluster, "certificate-authority");
  const place = { server, namespace: textAt(context, "namespace") ?? "default", ca };
  const environment = choice.pluginEnvironment ?? {};
  const plugin = pluginOf(user.fields["exec"], { userName, environment, file: user.file });
  if (plugin !== null) return { ...place, ...(await startPlugin(plugin, place)) };
  return { ...place, clientCertificate: clientCertificateOf(user), token: tokenOf(user) };
}

function refuseUnknown(cluster: Fields, user: Fields, userName: string): void {
  if (cluster["insecure-skip-tls-verify"] === true) {
    throw new Error(
      "kubeconfig: insecure-skip-tls-verify is refused: give certificate-authority-data.",
    );
  }
  if (cluster["proxy-url"] !== undefined) {
    throw new Error("kubeconfig: proxy-url is not supported: reach the API server directly.");
  }
  for (const key of ["auth-provider", "username"]) {
    if (user[key] === undefined) continue;
    throw new Error(
      `kubeconfig: user "${userName}" uses ${key}, which is not supported: give a token ` +
        `(kubectl create token), a client certificate or a credential plugin (exec).`,
    );
  }
}

const FIELD_OF = { contexts: "context", clusters: "cluster", users: "user" } as const;

function entry(
  files: readonly File[],
  wanted: { readonly list: keyof typeof FIELD_OF; readonly name: string },
): Entry {
  for (const { config, directory } of files) {
    const items = listAt(config, wanted.list);
    const found = items.find((item) => textAt(item, "name") === wanted.name);
    if (!isRecord(found)) continue;
    const fields = recordAt(found, FIELD_OF[wanted.list]);
    return { fields, file: (name) => resolve(directory, name) };
  }
  throw new Error(
    `kubeconfig: no entry "${wanted.name}" in ${wanted.list}: add it or choose another context.`,
  );
}

/** `<key>-data` in base64, or the file that `<key>` names. */
function pemOf({ fields, file }: Entry, key: string): string | null {
  const data = textAt(fields, `${key}-data`);
  if (data !== null) return Buffer.from(data, "base64").toString("utf8");
  const name = textAt(fields, key);
  return name === null ? null : readFileSync(file(name), "utf8");
}

function clientCertificateOf(user: Entry): ClusterAccess["clientCertificate"] {
  const certPem = pemOf(user, "client-certificate");
  const keyPem = pemOf(user, "client-key");
  return certPem !== null && keyPem !== null ? { certPem, keyPem } : null;
}

function tokenOf({ fields, file }: Entry): TokenSource | null {
  const name = textAt(fields, "tokenFile");
  if (name !== null) return fileToken(file(name));
  const token = textAt(fields, "token");
  return token === null ? null : { current: () => Promise.resolve(token), refused: () => {} };
}
