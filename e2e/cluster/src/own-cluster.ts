/** The cluster that runs: how to use it, and how to hurt it. How it comes up is in lifecycle.ts. */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { groupNames, processesIn, signalAll } from "./cgroups.ts";
import type { ClaimName, ClusterHandle, ContainerTarget } from "./cluster.ts";
import type { KubeProxyMode } from "./configuration.ts";
import { CONTROL_PLANE_GROUPS, controlPlaneIn, VOLUMES_FOLDER } from "./control-plane.ts";
import type { ControlPlane } from "./control-plane.ts";
import { environmentWith, searchPath } from "./environment.ts";
import { enter, OUTER, runInside } from "./network.ts";
import type { NodeAddress } from "./network.ts";
import { Node } from "./node.ts";
import type { Paths } from "./paths.ts";
import type { Program } from "./program.ts";
import type { Output, RunOptions } from "./run.ts";

export const NODES: readonly NodeAddress[] = [1, 2, 3].map((index) => ({
  name: `n${index}`,
  index,
}));

export class OwnCluster implements ClusterHandle {
  readonly canInjectFaults = true;
  readonly kubeconfig: string;
  readonly nodes: readonly Node[];
  readonly controlPlane: ControlPlane;
  readonly #paths: Paths;
  readonly #remove: () => Promise<void>;

  constructor(paths: Paths, remove: () => Promise<void>) {
    this.#paths = paths;
    this.#remove = remove;
    this.kubeconfig = paths.kubeconfig;
    this.nodes = NODES.map((node) => new Node(node, NODES, paths));
    this.controlPlane = controlPlaneIn(paths);
  }

  get apiServer(): Program {
    return this.controlPlane.apiServer;
  }

  get controllerManager(): Program {
    return this.controlPlane.controllerManager;
  }

  get scheduler(): Program {
    return this.controlPlane.scheduler;
  }

  node(name: string): Node {
    const found = this.nodes.find((node) => node.name === name);
    if (found) return found;
    throw new Error(`"${name}" is no node: use ${this.nodes.map((node) => node.name).join(", ")}`);
  }

  async kubectl(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return (await this.exec(["kubectl", ...args], options)).stdout;
  }

  async helm(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return (await this.exec(["helm", ...args], options)).stdout;
  }

  exec(args: readonly string[], options: RunOptions = {}): Promise<Output> {
    // Elsewhere they run on a machine of their own: here they would stand in the nodes' way.
    return runInside(["nice", "-n", "19", ...args], {
      ...options,
      env: { ...this.environment(), ...options.env },
    });
  }

  spawn(args: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const env = { ...this.environment(), ...options.env };
    return spawn("nsenter", [...enter(OUTER), ...args], { ...options, env });
  }

  /** For programs inside: kubectl and helm on PATH, and whom they speak to. */
  environment(): NodeJS.ProcessEnv {
    const path = [this.#paths.bin, ...searchPath()].join(delimiter);
    const { state } = this.#paths;
    return environmentWith({
      PATH: path,
      KUBECONFIG: this.kubeconfig,
      // Else kubectl and helm keep theirs in the user's folder.
      KUBECACHEDIR: join(state, "kube-cache"),
      HELM_CACHE_HOME: join(state, "helm", "cache"),
      HELM_CONFIG_HOME: join(state, "helm", "config"),
      HELM_DATA_HOME: join(state, "helm", "data"),
    });
  }

  async loadImage(archive: string): Promise<void> {
    const running = this.nodes.filter((node) => node.pid !== null);
    await Promise.all(running.map((node) => node.loadImage(archive)));
  }

  async setKubeProxyMode(mode: KubeProxyMode): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.setKubeProxyMode(mode)));
  }

  async signal(target: ContainerTarget, signal: NodeJS.Signals): Promise<number> {
    const { namespace, pod, container, command = "" } = target;
    const json = await this.kubectl(["--namespace", namespace, "get", "pod", pod, "-o", "json"]);
    const { node, id } = placeOf(JSON.parse(json) as PodOnNode, container);
    const pids = processesIn(node).filter(
      (pid) => readProc(pid, "cgroup").includes(id) && commandOf(pid).includes(command),
    );
    if (pids.length === 0) {
      throw new Error(
        `no process "${command}" in container ${container} of pod ${namespace}/${pod}`,
      );
    }
    signalAll(pids, signal);
    return pids.length;
  }

  async emptyVolume({ namespace, name }: ClaimName): Promise<void> {
    const claim = ["--namespace", namespace, "get", "persistentvolumeclaim", name];
    const volume = await this.kubectl([...claim, "-o", "jsonpath={.spec.volumeName}"]);
    const path = "{.spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]}";
    const node = await this.kubectl(["get", "persistentvolume", volume, "-o", `jsonpath=${path}`]);
    await this.node(node).emptyVolume(volume, VOLUMES_FOLDER);
  }

  async healAll(): Promise<void> {
    const groups = groupNames();
    const programs = Object.values(this.controlPlane) as Program[];
    for (const one of [...programs, ...this.nodes]) if (groups.includes(one.name)) one.thaw();
    for (const node of this.nodes) {
      node.thawKubeProxy();
      await node.heal();
    }
    for (const program of programs) await program.start();
    await Promise.all(this.nodes.map((node) => node.up()));
  }

  async down(): Promise<void> {
    await this.#remove();
  }

  /** Which programs and nodes run, by the process ids of this machine. */
  processes(): { readonly name: string; readonly pid: number | null }[] {
    const programs = Object.values(CONTROL_PLANE_GROUPS).map((name) => ({
      name,
      pid: processesIn(name)[0] ?? null,
    }));
    return [...programs, ...this.nodes.map(({ name, pid }) => ({ name, pid }))];
  }
}

interface ContainerState {
  readonly name: string;
  readonly containerID?: string;
}

export interface PodOnNode {
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly containerStatuses?: readonly ContainerState[];
    readonly initContainerStatuses?: readonly ContainerState[];
  };
}

/** Where a container runs, and under which id its control groups are named. */
export function placeOf(
  { spec, status }: PodOnNode,
  container: string,
): { node: string; id: string } {
  const all = [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])];
  const id = all.find(({ name }) => name === container)?.containerID?.split("//")[1];
  if (spec.nodeName === undefined || id === undefined) {
    throw new Error(`container ${container} does not run: look at its pod's events`);
  }
  return { node: spec.nodeName, id };
}

function commandOf(pid: number): string {
  return readProc(pid, "cmdline").replaceAll("\0", " ");
}

/** "" for a process that is gone. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}
