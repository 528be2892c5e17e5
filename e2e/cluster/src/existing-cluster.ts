/**
 * A cluster that exists: kind, minikube, a cloud. Uses the kubectl and helm of the machine.
 *
 * Images get there by a command of the user's, which is given an archive; nodes and programs are
 * not ours to hurt.
 */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import type { ClusterHandle, NodeFaults, ProgramFaults } from "./cluster.ts";
import { NotSupportedError } from "./cluster.ts";
import { environmentWith } from "./environment.ts";
import { run } from "./run.ts";
import type { Output, RunOptions } from "./run.ts";

const PUSH_MS = 600_000;

export class ExistingCluster implements ClusterHandle {
  readonly canInjectFaults = false;
  readonly kubeconfig: string;
  readonly nodes: readonly NodeFaults[] = [];
  readonly #imageHook: string | null;

  constructor(kubeconfig: string, imageHook: string | null) {
    this.kubeconfig = kubeconfig;
    this.#imageHook = imageHook;
  }

  get apiServer(): ProgramFaults {
    throw new NotSupportedError("stopping the API server");
  }

  get controllerManager(): ProgramFaults {
    throw new NotSupportedError("stopping the controller manager");
  }

  get scheduler(): ProgramFaults {
    throw new NotSupportedError("stopping the scheduler");
  }

  node(name: string): NodeFaults {
    throw new NotSupportedError(`a fault of node ${name}`);
  }

  async kubectl(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return (await this.exec(["kubectl", ...args], options)).stdout;
  }

  async helm(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return (await this.exec(["helm", ...args], options)).stdout;
  }

  exec([file = "", ...args]: readonly string[], options: RunOptions = {}): Promise<Output> {
    return run(file, args, { ...options, env: this.#environmentWith(options.env) });
  }

  spawn([file = "", ...args]: readonly string[], options: SpawnOptions = {}): ChildProcess {
    return spawn(file, args, { ...options, env: this.#environmentWith(options.env) });
  }

  #environmentWith(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return { ...environmentWith({ KUBECONFIG: this.kubeconfig }), ...more };
  }

  /** Runs `E2E_IMAGE_HOOK ARCHIVE` by the shell. */
  async loadImage(archive: string): Promise<void> {
    if (this.#imageHook === null) {
      throw new Error(
        `the cluster of ${this.kubeconfig} needs the image ${archive}: name a command that brings it ` +
          'there by E2E_IMAGE_HOOK, such as "kind load image-archive"',
      );
    }
    const hook = ["sh", "-c", `${this.#imageHook} "$1"`, "hook", archive];
    await this.exec(hook, { timeoutMs: PUSH_MS });
  }

  signal(): Promise<number> {
    return Promise.reject(new NotSupportedError("a signal to a container"));
  }

  setKubeProxyMode(): Promise<void> {
    return Promise.reject(new NotSupportedError("another mode of kube-proxy"));
  }

  emptyVolume(): Promise<void> {
    return Promise.reject(new NotSupportedError("an emptied volume"));
  }

  async healAll(): Promise<void> {}

  async down(): Promise<void> {}
}
