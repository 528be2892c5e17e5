/**
 * A node: a machine made of namespaces, with its own containerd, kubelet, kube-proxy and disk.
 *
 * Guarantees: `off` is a loss of power, nothing in the node runs another instruction, its network
 * is gone, its disk stays; `up` boots it again. What a call changed is in effect when it resolves,
 * except that `up` does not wait for the node to be Ready.
 */
import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { basename, join } from "node:path";
import {
  createGroup,
  destroyGroup,
  hierarchies,
  processesIn,
  setFrozen,
  signalAll,
} from "./cgroups.ts";
import {
  cgroupMounts,
  containerdConfiguration,
  kubeletConfiguration,
  kubeProxyConfiguration,
  podNetwork,
  resolvConf,
} from "./configuration.ts";
import type { KubeProxyMode } from "./configuration.ts";
import {
  addressOf,
  addRules,
  apiCutRules,
  CONTROL_PLANE,
  dropRule,
  enter,
  lossRules,
  namespaceOf,
  plugIn,
  removeRulesOf,
  setCable,
  unplug,
} from "./network.ts";
import type { NodeAddress } from "./network.ts";
import { SHELL_FOLDER } from "./paths.ts";
import type { Paths } from "./paths.ts";
import { inGroup } from "./program.ts";
import { daemonize, run, until } from "./run.ts";
import type { Output, RunOptions } from "./run.ts";

const BOOT_MS = 20_000;
const IMPORT_MS = 120_000;
const CTR = ["/run/leasehold/bin/ctr", "--namespace", "k8s.io"] as const;

export class Node {
  readonly name: string;
  readonly address: string;
  readonly #self: NodeAddress;
  readonly #all: readonly NodeAddress[];
  readonly #paths: Paths;

  constructor(self: NodeAddress, all: readonly NodeAddress[], paths: Paths) {
    this.name = self.name;
    this.address = addressOf(self);
    this.#self = self;
    this.#all = all;
    this.#paths = paths;
  }

  get #folder(): string {
    return join(this.#paths.nodes, this.name);
  }

  /** Its first process, as this machine numbers it; null when it is off. */
  get pid(): number | null {
    return processesIn(this.name).find((pid) => isFirstOfItsNamespace(pid)) ?? null;
  }

  /** Writes what its daemons read. */
  async configure(kubeProxyMode: KubeProxyMode): Promise<void> {
    const folder = this.#folder;
    await mkdir(join(folder, "cni"), { recursive: true });
    await mkdir(join(folder, "disk"), { recursive: true });
    const machine = { memoryBytes: totalmem(), openFiles: openFilesLimit() };
    const files = {
      "kubelet.yaml": kubeletConfiguration(machine),
      "containerd.toml": containerdConfiguration(),
      "cni/pods.conflist": podNetwork(this.#self),
      "resolv.conf": resolvConf(),
      cgroups: cgroupMounts(hierarchies()),
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    await this.setKubeProxyMode(kubeProxyMode);
    const copies = {
      "ca.crt": "ca.crt",
      [`${this.name}.crt`]: "node.crt",
      [`${this.name}.key`]: "node.key",
      [`${this.name}.kubeconfig`]: "kubelet.kubeconfig",
      "kube-proxy.kubeconfig": "kube-proxy.kubeconfig",
    };
    for (const [from, to] of Object.entries(copies)) {
      await copyFile(join(this.#paths.pki, from), join(folder, to));
    }
  }

  /** Boots it, unless it runs; resolves when its containerd answers. */
  async up(): Promise<void> {
    if (this.pid === null) {
      await destroyGroup(this.name);
      await plugIn(this.#self, this.#all);
      createGroup(this.name);
      const boot = join(SHELL_FOLDER, "node-init.sh");
      // PID 1 joins the groups itself and then makes them the root of what it sees.
      const init = ["unshare", "--cgroup", "--", "sh", boot, this.name, this.address];
      const namespaces = ["--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL"];
      const [file, ...args] = inGroup(this.name, [...init, this.#folder, this.#paths.bin]);
      daemonize(
        "nsenter",
        [...enter(namespaceOf(this.name)), "unshare", ...namespaces, "--", file, ...args],
        join(this.#folder, "init.log"),
      );
    }
    const what = `${this.name}: containerd answers (logs are in ${this.#folder})`;
    await until(what, { timeoutMs: BOOT_MS, pollMs: 50 }, async () => {
      return this.pid !== null && this.exec([...CTR, "version"], { timeoutMs: 5_000 });
    });
  }

  /** Loss of power. */
  async off(): Promise<void> {
    await destroyGroup(this.name);
    await unplug(this.#self);
  }

  /** The cable is pulled: no packet reaches or leaves it, and it notices. */
  async cut(): Promise<void> {
    await setCable(this.name, "down");
  }

  /** The API server and this node do not reach one another; everybody else does. */
  async cutFromApi(): Promise<void> {
    await addRules(apiCutRules(this.name));
  }

  /** Packets to the other node, or to the control plane, vanish; those from it do not. */
  async dropTo(other: string): Promise<void> {
    await addRules([dropRule(this.name, other)]);
  }

  /** What the control plane sends to this node vanishes. */
  async dropFromControlPlane(): Promise<void> {
    await addRules([dropRule(CONTROL_PLANE, this.name)]);
  }

  /** Each packet between this node and another is lost with this probability. */
  async lose(percent: number): Promise<void> {
    await addRules(lossRules(this.name, percent));
  }

  /** Ends `cut`, `cutFromApi`, `lose`, and what is dropped from or to it. */
  async heal(): Promise<void> {
    await removeRulesOf(this.name);
    if (this.pid !== null) await setCable(this.name, "up");
  }

  /** The whole machine hangs: its kernel acknowledges packets, nobody answers. */
  freeze(): void {
    setFrozen(this.name, true);
  }

  thaw(): void {
    setFrozen(this.name, false);
  }

  /** Services lead where they led, until it is thawed. */
  freezeKubeProxy(): void {
    signalAll(this.#kubeProxies(), "SIGSTOP");
  }

  thawKubeProxy(): void {
    signalAll(this.#kubeProxies(), "SIGCONT");
  }

  #kubeProxies(): readonly number[] {
    return processesIn(this.name).filter((pid) => commandNameOf(pid) === "kube-proxy");
  }

  /** Runs a program in the node's namespaces, where its containers can be reached. */
  exec(args: readonly string[], options: RunOptions = {}): Promise<Output> {
    return run("nsenter", this.execArguments(args), options);
  }

  execArguments(args: readonly string[]): string[] {
    const { pid } = this;
    if (pid === null) throw new Error(`${this.name} is off: boot it with up`);
    const all = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"];
    return ["--target", String(pid), ...all, "--", ...args];
  }

  /** Makes the images of an OCI archive known to its containerd, and keeps them for ever. */
  async loadImage(archive: string): Promise<void> {
    const loaded = join(this.#folder, "loaded");
    const mark = join(loaded, basename(archive));
    if (existsSync(mark)) return;
    const pinned = "--label=io.cri-containerd.pinned=pinned";
    await this.exec([...CTR, "images", "import", pinned, archive], { timeoutMs: IMPORT_MS });
    await mkdir(loaded, { recursive: true });
    await writeFile(mark, "");
  }

  async setKubeProxyMode(mode: KubeProxyMode): Promise<void> {
    const file = join(this.#folder, "kube-proxy.yaml");
    const text = kubeProxyConfiguration(mode);
    if (existsSync(file) && (await readFile(file, "utf8")) === text) return;
    // kube-proxy ends when this changes; the next one removes the rules of the other mode.
    await writeFile(file, text);
  }

  /** Removes what is in a volume, as if its disk had been replaced. Its pod should not run. */
  async emptyVolume(volume: string, inside: string): Promise<void> {
    const folder = join(this.#folder, "disk", inside, volume);
    const entries = await readdir(folder);
    for (const entry of entries) await rm(join(folder, entry), { recursive: true });
  }
}

/** PID 1 of a namespace within ours; its containers' first processes are one level deeper. */
function isFirstOfItsNamespace(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return isNodeInit(status);
  } catch {
    return false;
  }
}

/** "" for a process that is gone. */
function commandNameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

/** Reads /proc/PID/status: "NSpid:" lists its numbers, from our namespace inwards. */
export function isNodeInit(status: string): boolean {
  const numbers = /^NSpid:\s+(.+)$/m.exec(status)?.[1]?.trim().split(/\s+/) ?? [];
  return numbers.length === 2 && numbers[1] === "1";
}

function openFilesLimit(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return Math.min(Number(hard) || 1_000_000, 1_000_000);
}
