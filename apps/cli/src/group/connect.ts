/**
 * From flags and environment to a client of the Kubernetes API and the group that is meant.
 *
 * Kubeconfigs are found as kubectl finds them; without any, inside a pod, its service account
 * counts. What stands in the way becomes an error that names the missing right or the next step.
 */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import {
  createApiClient,
  createControlRequests,
  createGroupReader,
  inClusterAccess,
  kubeconfigFilesAccess,
  type ClusterAccess,
  type ControlRequests,
  type GroupReader,
  type Reading,
} from "@leasehold/kubernetes";
import { CommandError } from "../exit.ts";
import type { CommonFlags } from "../flags.ts";
import type { Session } from "../session.ts";

export interface Connection {
  readonly namespace: string;
  readonly reader: GroupReader;
  requestsOf(group: string): ControlRequests;
  close(): void;
}

/** For one call of the API; never longer than the user wants to wait in all. */
const CALL_MS = 5_000;

export async function connect(flags: CommonFlags, session: Session): Promise<Connection> {
  const found = await accessOf(flags, session);
  const client = createApiClient({ ...found, namespace: flags.namespace ?? found.namespace });
  const deadlineMs = Math.min(CALL_MS, flags.timeout);
  return {
    namespace: client.namespace,
    reader: createGroupReader(client, deadlineMs),
    requestsOf: (group) => createControlRequests(client, group, deadlineMs),
    close: () => client.close(),
  };
}

async function accessOf(flags: CommonFlags, { environment }: Session): Promise<ClusterAccess> {
  const choice = { context: flags.context, pluginEnvironment: environment };
  try {
    if (flags.kubeconfig !== undefined) {
      return await kubeconfigFilesAccess([flags.kubeconfig], choice);
    }
    const files = defaultFiles(environment);
    if (files.length > 0) return await kubeconfigFilesAccess(files, choice);
    const host = environment["KUBERNETES_SERVICE_HOST"] ?? "";
    const port = environment["KUBERNETES_SERVICE_PORT"] ?? "443";
    if (host !== "") return inClusterAccess({ host, port });
  } catch (error) {
    throw new CommandError("unreachable", error instanceof Error ? error.message : String(error));
  }
  throw new CommandError(
    "unreachable",
    "no kubeconfig: name one with --kubeconfig or KUBECONFIG, or put it into ~/.kube/config",
  );
}

/** Files that do not exist are passed over, as kubectl does. */
function defaultFiles(environment: Session["environment"]): readonly string[] {
  const listed = (environment["KUBECONFIG"] ?? "").split(delimiter).filter(Boolean);
  const home = environment["HOME"] ?? environment["USERPROFILE"];
  const usual = home === undefined ? [] : [join(home, ".kube", "config")];
  const names = listed.length > 0 ? listed : usual;
  return names.filter((name) => existsSync(name));
}

/** The group that is named, or the only one of the namespace. */
export async function groupOf({ reader, namespace }: Connection, name?: string): Promise<string> {
  if (name !== undefined) return name;
  const leases = await reader.leases();
  if (leases.kind === "forbidden") {
    const words = `${forbidden(leases.right, namespace)}: or name the group`;
    throw new CommandError("unreachable", words);
  }
  const names = (needed(leases, namespace) ?? []).map((lease) => lease.name);
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw new CommandError(
    "usage",
    only === undefined
      ? `no group in namespace ${namespace}: choose another one with -n`
      : `namespace ${namespace} has ${names.length} groups, name one: ${names.join(", ")}`,
  );
}

/** What a command cannot do without. Null: it is not there. */
export function needed<T>(reading: Reading<T>, namespace: string): T | null {
  switch (reading.kind) {
    case "read":
      return reading.value;
    case "missing":
      return null;
    case "forbidden":
      throw new CommandError("unreachable", forbidden(reading.right, namespace));
    case "failed":
      throw new CommandError("unreachable", `the Kubernetes API did not help: ${reading.words}`);
  }
}

export function forbidden(right: string, namespace: string): string {
  return `forbidden in namespace ${namespace}: a Role has to grant \`${right}\` to you`;
}
