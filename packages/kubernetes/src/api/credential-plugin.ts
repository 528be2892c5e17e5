/**
 * Credential plugins of a kubeconfig: `aws`, `gke-gcloud-auth-plugin`, `kubelogin` and their like
 * (https://kubernetes.io/docs/reference/config-api/client-authentication.v1/).
 *
 * A plugin is run when access is loaded, and again after the server refused its token. It may ask
 * on the terminal: it has our stdin and stderr. Guarantees: we wait `PLUGIN_MS` at most, also for
 * what it has started itself, and read a bounded length; an error names the program and how to get
 * it. Not kept: credentials, beyond this process.
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
/** A token has some kilobytes. */
const MAX_OUTPUT_LENGTH = 1_048_576;
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
  deadlineMs = PLUGIN_MS,
): Promise<Pick<ClusterAccess, "token" | "clientCertificate">> {
  const again = (): Promise<Credential> => run(plugin, cluster, deadlineMs);
  const first = await again();
  return {
    clientCertificate: first.certificate,
    token: first.token === null ? null : tokenSource(first.token, again),
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
  deadlineMs: number,
): Promise<Credential> {
  const text = await outputOf(plugin, infoOf(plugin, cluster), deadlineMs);
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

function outputOf(plugin: Plugin, info: string, deadlineMs: number): Promise<string> {
  const child = spawn(plugin.command, [...plugin.args], {
    env: { ...plugin.environment, KUBERNETES_EXEC_INFO: info },
    stdio: [plugin.isInteractive ? "inherit" : "ignore", "pipe", "inherit"],
  });
  let output = "";
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void => {
      const hint = plugin.installHint === null ? "" : `\n${plugin.installHint.trim()}`;
      reject(new Error(`the credential plugin ${plugin.command} gave nothing (${why})${hint}`));
    };
    // A wrapper's own child may hold stdout open: then no `close` comes, however dead the wrapper.
    const abandon = (why: string): void => {
      child.kill("SIGKILL");
      child.stdout.destroy();
      refuse(why);
    };
    const timer = setTimeout(() => abandon(`no answer within ${deadlineMs} ms`), deadlineMs);
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      if (output.length > MAX_OUTPUT_LENGTH) abandon(`more than ${MAX_OUTPUT_LENGTH} characters`);
    });
    child.once("error", (error) => {
      clearTimeout(timer);
      refuse(wordsOfError(error));
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
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
