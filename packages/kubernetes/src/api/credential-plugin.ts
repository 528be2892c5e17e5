/**
 * Credential plugins of a kubeconfig: `aws`, `gke-gcloud-auth-plugin`, `kubelogin` and their like
 * (https://kubernetes.io/docs/reference/config-api/client-authentication.v1/).
 *
 * A plugin is run when access is loaded, and again after the server refused its token. It may ask
 * on the terminal: it has our stdin and stderr. Guarantees: it ends within `PLUGIN_MS`; an error
 * names the program and how to get it. Not kept: credentials, beyond this process.
 */
import { spawn } from "node:child_process";
import { isatty } from "node:tty";
import type { ClusterAccess, TokenSource } from "./access.ts";
import { wordsOfError } from "./answer.ts";
import { isRecord, listAt, recordAt, textAt } from "./object.ts";

export type PluginEnvironment = Readonly<Record<string, string | undefined>>;

export interface Plugin {
  readonly userName: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: PluginEnvironment;
  readonly apiVersion: string;
  readonly installHint: string | null;
  readonly isInteractive: boolean;
  readonly wantsCluster: boolean;
}

interface Credential {
  readonly token: string | null;
  readonly certificate: ClusterAccess["clientCertificate"];
}

/** A person may have to log in with a browser. */
const PLUGIN_MS = 120_000;
const API_VERSIONS = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

export interface PluginOwner {
  readonly userName: string;
  /** What it inherits. */
  readonly environment: PluginEnvironment;
  /** Turns a relative command into a path. */
  readonly file: (name: string) => string;
}

/** Null: the user has none. Throws with a sentence for one that we cannot run. */
export function pluginOf(
  exec: unknown,
  { userName, environment, file }: PluginOwner,
): Plugin | null {
  if (!isRecord(exec)) return null;
  const command = textAt(exec, "command") ?? "";
  const apiVersion = textAt(exec, "apiVersion") ?? "";
  const who = `kubeconfig: the credential plugin of user "${userName}"`;
  if (command === "") throw new Error(`${who} names no command: add \`exec.command\`.`);
  if (!API_VERSIONS.includes(apiVersion)) {
    const versions = API_VERSIONS.join(" or ");
    throw new Error(`${who} speaks "${apiVersion}": set \`exec.apiVersion\` to ${versions}.`);
  }
  const mode = textAt(exec, "interactiveMode");
  const isTerminal = isatty(0);
  if (mode === "Always" && !isTerminal) {
    throw new Error(`${who} has to ask somebody: run this on a terminal.`);
  }
  const variables = listAt(exec, "env").map((one): [string, string] => [
    textAt(one, "name") ?? "",
    textAt(one, "value") ?? "",
  ]);
  return {
    userName,
    // As kubectl: a bare name is looked up on PATH.
    command: command.includes("/") ? file(command) : command,
    args: listAt(exec, "args").filter((arg) => typeof arg === "string"),
    environment: { ...environment, ...Object.fromEntries(variables) },
    apiVersion,
    installHint: textAt(exec, "installHint"),
    isInteractive: mode !== "Never" && isTerminal,
    wantsCluster: exec["provideClusterInfo"] === true,
  };
}

/** Runs it for the first time. Rejects with a sentence. */
export async function startPlugin(
  plugin: Plugin,
  cluster: Pick<ClusterAccess, "server" | "ca">,
): Promise<Pick<ClusterAccess, "token" | "clientCertificate">> {
  const first = await run(plugin, cluster);
  return {
    clientCertificate: first.certificate,
    token: first.token === null ? null : tokenSource(first.token, () => run(plugin, cluster)),
  };
}

function tokenSource(first: string, renew: () => Promise<Credential>): TokenSource {
  let token: Promise<string> = Promise.resolve(first);
  let wasRefused = false;
  return {
    current() {
      if (!wasRefused) return token;
      wasRefused = false;
      token = renew().then((credential) => credential.token ?? "");
      // Who asks next may have better luck.
      token.catch(() => (wasRefused = true));
      return token;
    },
    refused() {
      wasRefused = true;
    },
  };
}

async function run(
  plugin: Plugin,
  cluster: Pick<ClusterAccess, "server" | "ca">,
): Promise<Credential> {
  const text = await outputOf(plugin, cluster);
  const status = recordAt(parse(text), "status");
  const token = textAt(status, "token");
  const certPem = textAt(status, "clientCertificateData");
  const keyPem = textAt(status, "clientKeyData");
  const certificate = certPem !== null && keyPem !== null ? { certPem, keyPem } : null;
  if (token === null && certificate === null) {
    throw new Error(
      `the credential plugin ${plugin.command} printed neither a token nor a certificate: ` +
        `run it by hand and see what it says`,
    );
  }
  return { token, certificate };
}

function outputOf(plugin: Plugin, cluster: Pick<ClusterAccess, "server" | "ca">): Promise<string> {
  const child = spawn(plugin.command, [...plugin.args], {
    env: { ...plugin.environment, KUBERNETES_EXEC_INFO: infoOf(plugin, cluster) },
    stdio: [plugin.isInteractive ? "inherit" : "ignore", "pipe", "inherit"],
    timeout: PLUGIN_MS,
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void => {
      const hint = plugin.installHint === null ? "" : `\n${plugin.installHint.trim()}`;
      reject(new Error(`the credential plugin ${plugin.command} gave nothing (${why})${hint}`));
    };
    child.once("error", (error) => refuse(wordsOfError(error)));
    child.once("close", (code, signal) => {
      if (code === 0) resolve(output);
      else refuse(signal === null ? `exit code ${code}` : `ended by ${signal}`);
    });
  });
}

/** What the plugin is told about us. */
function infoOf(plugin: Plugin, { server, ca }: Pick<ClusterAccess, "server" | "ca">): string {
  const authority = ca === null ? null : Buffer.from(ca).toString("base64");
  const cluster = {
    server,
    ...(authority === null ? {} : { "certificate-authority-data": authority }),
    config: null,
  };
  return JSON.stringify({
    apiVersion: plugin.apiVersion,
    kind: "ExecCredential",
    spec: { interactive: plugin.isInteractive, ...(plugin.wantsCluster ? { cluster } : {}) },
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
