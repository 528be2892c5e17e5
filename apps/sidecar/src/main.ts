/**
 * The process: reads arguments, environment and files, starts one sidecar, and ends with a code
 * that says why. The only reader of `process.env`.
 *
 * Exit codes: 0 ended by decision · 64 the configuration is wrong · 69 a port or file that it
 * needs is not to be had · 70 a bug: the core failed, or something threw · 74 the fence (permit,
 * kill) could not be written · 75 asked to end, and it took too long. With any of them but 0 the
 * permit runs out and the guard stops Redis, unless the next process of this pod is back before.
 */
import { readFileSync } from "node:fs";
import { inClusterAccess, kubeconfigAccess, type ClusterAccess } from "@leasehold/kubernetes";
import { configProblems } from "@leasehold/replication";
import { withDeadline } from "./bounded.ts";
import { DEADLINES_MS } from "./deadlines.ts";
import { openLog, type OpenLog } from "./log.ts";
import type { RuntimeEnd } from "./runtime-ports.ts";
import { readSecrets } from "./auth/secrets.ts";
import { contradictions } from "./settings/contradictions.ts";
import { memberConfig } from "./settings/member-config.ts";
import type { Settings } from "./settings/schema.ts";
import { readSettings, redact, type SettingsOutcome } from "./settings/settings.ts";
import { startSidecar, type Sidecar } from "./sidecar.ts";

const EXIT = { decided: 0, settings: 64, unavailable: 69, bug: 70, fence: 74, late: 75 } as const;

/** For the last lines of the journal. */
const CLOSE_MS = 3_000;

const EXIT_OF_END: Readonly<Record<RuntimeEnd["kind"], number>> = {
  decided: EXIT.decided,
  coreFailed: EXIT.bug,
  overflow: EXIT.bug,
  fenceFailed: EXIT.fence,
};

await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  const outcome = await loadSettings();
  if (!outcome.ok) return refuse(outcome.errors);
  const { settings } = outcome;
  const problems = [...configProblems(memberConfig(settings), null), ...contradictions(settings)];
  if (problems.length > 0) return refuse(problems);
  if (args.includes("--print-config")) {
    process.stdout.write(`${JSON.stringify(redact(settings), null, 2)}\n`);
    return;
  }
  if (args.length > 0) {
    return refuse([`${args.join(" ")}: the only argument is --print-config.`]);
  }
  await run(settings, outcome.unknownVariables);
}

async function loadSettings(): Promise<SettingsOutcome> {
  const path = process.env["LEASEHOLD_CONFIG"];
  try {
    const fileText = path === undefined ? null : readFileSync(path, "utf8");
    return await readSettings({ fileText, environment: process.env });
  } catch (error) {
    return { ok: false, errors: [`LEASEHOLD_CONFIG cannot be read: ${String(error)}`] };
  }
}

function refuse(errors: readonly string[]): void {
  for (const error of errors) process.stderr.write(`leasehold-sidecar: ${error}\n`);
  process.exitCode = EXIT.settings;
}

async function run(settings: Settings, unknownVariables: readonly string[]): Promise<void> {
  const open = openLog({ ...settings.log, member: settings.member.name });
  const { log } = open;
  process.once("uncaughtException", (error) => {
    log.fatal({ stack: error.stack }, "something threw that nobody caught");
    leave(open, EXIT.bug);
  });
  if (unknownVariables.length > 0) {
    log.warn({ unknownVariables }, "environment variables that Leasehold does not know");
  }
  try {
    const secrets = await readSecrets(settings);
    const access = await clusterAccess(settings);
    let sidecar: Sidecar | null = null;
    const end = (how: RuntimeEnd): void => void finish(open, sidecar, how);
    sidecar = await startSidecar({
      ...{ settings, secrets, access, log, end },
      reload: loadSettings,
    });
    log.info(`started: group ${settings.group} in namespace ${settings.namespace}`);
    const started = sidecar;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.once(signal, () => {
        setTimeout(() => leave(open, EXIT.late), DEADLINES_MS.shutdown).unref();
        started.terminate();
      });
    }
  } catch (error) {
    log.fatal(`cannot start: ${String(error)}`);
    leave(open, EXIT.unavailable);
  }
}

async function clusterAccess(settings: Settings): Promise<ClusterAccess> {
  const { kubeconfig } = settings.kubernetes;
  if (kubeconfig !== "") return kubeconfigAccess(kubeconfig);
  const host = process.env["KUBERNETES_SERVICE_HOST"];
  const port = process.env["KUBERNETES_SERVICE_PORT"];
  if (host === undefined || port === undefined) {
    throw new Error("kubernetes.kubeconfig is empty and this is no pod: set it to a file's path");
  }
  return inClusterAccess({ host, port });
}

/** After a fault the process goes at once: the next one is wanted soon. */
async function finish(open: OpenLog, sidecar: Sidecar | null, how: RuntimeEnd): Promise<void> {
  if (how.kind !== "decided") {
    open.log.fatal(`ends (${how.kind}): ${how.words}`);
    leave(open, EXIT_OF_END[how.kind]);
    return;
  }
  open.log.info("ends, as decided");
  if (sidecar) await withDeadline(sidecar.close(), CLOSE_MS).catch(() => undefined);
  leave(open, EXIT.decided);
}

function leave(open: OpenLog, code: number): never {
  open.flush();
  process.exit(code);
}
