/**
 * The cluster by hand: `npm run cluster -- up|down|status|sh|exec|kubectl|helm|load|fault …`.
 *
 * Exit code 0: done; 1: not, with a sentence that says why; for sh, exec, kubectl and helm that of
 * the program.
 */
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { KUBE_PROXY_MODES } from "./configuration.ts";
import type { KubeProxyMode } from "./configuration.ts";
import { settingsFrom } from "./environment.ts";
import { FAULTS, inject } from "./fault.ts";
import { bringUp, takeDown } from "./lifecycle.ts";
import { enter, OUTER, outerExists } from "./network.ts";
import { OwnCluster } from "./own-cluster.ts";
import { pathsIn } from "./paths.ts";
import { runOnTerminal } from "./run.ts";

const paths = pathsIn(settingsFrom().cache);
const progress = (line: string) => {
  console.log(`cluster: ${line}`);
};

function running(): OwnCluster {
  if (!outerExists()) throw new Error("the cluster is not up: run `npm run cluster -- up`");
  return new OwnCluster(paths, () => takeDown(paths));
}

/** Runs a program inside, on this terminal. */
async function inside(args: readonly string[]): Promise<void> {
  const cluster = running();
  process.exitCode = await runOnTerminal(
    "nsenter",
    [...enter(OUTER), ...args],
    cluster.environment(),
  );
}

const program = new Command("cluster")
  .description("a real three-node Kubernetes made of this machine's namespaces")
  .enablePositionalOptions();

program
  .command("up")
  .description("bring it up, or complete it; it stays until down")
  .addOption(new Option("--kube-proxy-mode <mode>").choices(KUBE_PROXY_MODES).default("nftables"))
  .action(async ({ kubeProxyMode }: { kubeProxyMode: KubeProxyMode }) => {
    const startMs = performance.now();
    await bringUp(paths, { kubeProxyMode, progress, owner: null });
    progress(
      `${((performance.now() - startMs) / 1000).toFixed(1)} s; KUBECONFIG is ${paths.kubeconfig}`,
    );
  });

program
  .command("down")
  .description("remove it with all that it left; binaries and images stay")
  .addOption(new Option("--of <pid>", "only if it belongs to that process").argParser(Number))
  .action(({ of }: { of?: number }) => takeDown(paths, of));

program
  .command("status")
  .description("which nodes and programs run")
  .action(async () => {
    const cluster = running();
    for (const { name, pid } of cluster.processes()) {
      console.log(`${name.padEnd(20)} ${pid === null ? "off" : `process ${pid}`}`);
    }
    await inside(["kubectl", "get", "nodes", "--output=wide", "--request-timeout=5s"]);
  });

const passThrough = (name: string, description: string, prefix: readonly string[]) =>
  program
    .command(name)
    .description(description)
    .argument("[arguments...]")
    .passThroughOptions()
    .allowUnknownOption()
    .helpOption(false)
    .action((args: readonly string[]) => inside([...prefix, ...args]));

passThrough("kubectl", "kubectl, as administrator", ["kubectl"]);
passThrough("helm", "helm, as administrator", ["helm"]);
passThrough("exec", "any program, where nodes, pods and Services can be reached", []);

program
  .command("sh")
  .description("a shell, or a program, in a node")
  .argument("<node>")
  .argument("[command...]")
  .passThroughOptions()
  .allowUnknownOption()
  .action(async (name: string, command: readonly string[]) => {
    const args = running()
      .node(name)
      .execArguments(command.length > 0 ? command : ["sh"]);
    process.exitCode = await runOnTerminal("nsenter", args);
  });

program
  .command("load")
  .description("make the image of an OCI archive known to every node")
  .argument("<archive>")
  .action(async (archive: string) => {
    await running().loadImage(resolve(archive));
  });

program
  .command("fault")
  .description(`break something, or mend it:\n${FAULTS.map(({ usage }) => usage).join("\n")}`)
  .argument("<name>")
  .argument("[arguments...]")
  .action(async (name: string, args: readonly string[]) => {
    await inject(running(), name, args);
  });

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
