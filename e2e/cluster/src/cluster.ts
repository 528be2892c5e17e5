/**
 * What tests can do with a cluster, be it our own made of namespaces or one that exists.
 *
 * Nodes and programs of one that exists cannot be hurt: there each fault is a `NotSupportedError`,
 * and `canInjectFaults` tells before.
 */
import type { ChildProcess, SpawnOptions } from "node:child_process";
import type { KubeProxyMode } from "./configuration.ts";
import type { Output, RunOptions } from "./run.ts";

export interface ClusterHandle {
  /** For clients that run where `exec` runs them. */
  readonly kubeconfig: string;
  readonly canInjectFaults: boolean;
  kubectl(args: readonly string[], options?: RunOptions): Promise<string>;
  helm(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Runs a program where API server, nodes, pods and Services can be reached. */
  exec(args: readonly string[], options?: RunOptions): Promise<Output>;
  /** Like `exec`, for a program that goes on: whoever starts it ends it. */
  spawn(args: readonly string[], options?: SpawnOptions): ChildProcess;
  /** An OCI archive; what it is called stands in it. */
  loadImage(archive: string): Promise<void>;

  node(name: string): NodeFaults;
  readonly nodes: readonly NodeFaults[];
  readonly apiServer: ProgramFaults;
  readonly controllerManager: ProgramFaults;
  readonly scheduler: ProgramFaults;
  /** Sends a signal to processes of a container, and resolves with their number. */
  signal(target: ContainerTarget, signal: NodeJS.Signals): Promise<number>;
  setKubeProxyMode(mode: KubeProxyMode): Promise<void>;
  /** Removes what is in the volume of a claim, as if its disk had been replaced. */
  emptyVolume(claim: ClaimName): Promise<void>;
  /** Ends every fault: nodes and programs run, thawed and connected. */
  healAll(): Promise<void>;

  /** Removes the cluster that `up` made, with all that it left; leaves one that it joined alone. */
  down(): Promise<void>;
}

export interface ClaimName {
  readonly namespace: string;
  readonly name: string;
}

export interface ContainerTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  /** Part of the command line; absent: all processes of the container. */
  readonly command?: string;
}

/** The behaviour of each is described where it is implemented: src/node.ts. */
export interface NodeFaults {
  readonly name: string;
  off(): Promise<void>;
  up(): Promise<void>;
  cut(): Promise<void>;
  cutFromApi(): Promise<void>;
  dropTo(other: string): Promise<void>;
  dropFromControlPlane(): Promise<void>;
  lose(percent: number): Promise<void>;
  heal(): Promise<void>;
  freeze(): void;
  thaw(): void;
  freezeKubeProxy(): void;
  thawKubeProxy(): void;
  exec(args: readonly string[], options?: RunOptions): Promise<Output>;
}

/** src/program.ts */
export interface ProgramFaults {
  start(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
  restart(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

export class NotSupportedError extends Error {
  override readonly name = "NotSupportedError";

  constructor(what: string) {
    super(`${what} is not supported on this cluster: unset E2E_KUBECONFIG to use our own`);
  }
}
