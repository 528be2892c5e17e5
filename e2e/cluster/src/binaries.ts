/**
 * Builds every binary of the cluster from Go modules that go.sum pins, once per state of `go/`.
 *
 * Guarantees: a folder `bin-KEY` that exists is complete; an interrupted build goes on where it
 * was. With an empty Go cache this takes long, so that it says how far it is.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, symlink } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { environmentWith } from "./environment.ts";
import { installPackages, missingPackages } from "./packages.ts";
import { GO_FOLDER, HELM_FOLDER } from "./paths.ts";
import type { Paths } from "./paths.ts";
import { run } from "./run.ts";

interface Build {
  readonly module: string;
  /** Of its go.mod; by default that of the module's name below `go/`. */
  readonly folder?: string;
  /** For people, with the time that it takes on two cores when nothing is cached. */
  readonly title: string;
  /** Import paths; each becomes a binary of the name of its last part. */
  readonly packages: readonly string[];
  readonly tags?: string;
  /** Needs a C compiler, and is linked statically. */
  readonly cgo?: true;
  /** Variables of the binary that hold the version of a module, which comes without its "v". */
  readonly versioned?: {
    readonly module: string;
    readonly variables: (version: string) => Readonly<Record<string, string>>;
  };
  readonly links?: readonly string[];
}

const CONTAINERD = "github.com/containerd/containerd/v2";
const CNI = "github.com/containernetworking/plugins/plugins";

const BUILDS: readonly Build[] = [
  {
    module: "helm",
    folder: HELM_FOLDER,
    title: "helm (about 2 min)",
    packages: ["helm.sh/helm/v4/cmd/helm"],
  },
  {
    module: "kube",
    title: "Kubernetes and etcd (about 7 min)",
    packages: ["leasehold.example/kube"],
    versioned: { module: "k8s.io/kubernetes", variables: kubernetesVersion },
    links: [
      "etcd",
      "kube-apiserver",
      "kube-controller-manager",
      "kube-scheduler",
      "kubelet",
      "kube-proxy",
      "kubectl",
    ],
  },
  {
    module: "containerd",
    title: "containerd (about 1 min)",
    packages: ["containerd", "containerd-shim-runc-v2", "ctr"].map(
      (name) => `${CONTAINERD}/cmd/${name}`,
    ),
    tags: "no_btrfs,no_devmapper,no_zfs",
    versioned: {
      module: CONTAINERD,
      variables: (version) => ({ [`${CONTAINERD}/version.Version`]: version }),
    },
  },
  {
    module: "addons",
    title: "CoreDNS, volumes and a candidate of client-go (about 1 min)",
    packages: ["coredns", "volumes", "candidate"].map((name) => `leasehold.example/addons/${name}`),
  },
  {
    module: "runc",
    title: "runc",
    packages: ["github.com/opencontainers/runc"],
    tags: "seccomp,netgo,osusergo",
    cgo: true,
  },
  {
    module: "cni",
    title: "network plugins",
    packages: [`${CNI}/main/bridge`, `${CNI}/main/loopback`, `${CNI}/ipam/host-local`],
  },
  { module: "pause", title: "pause", packages: ["leasehold.example/pause"] },
];

const HEARTBEAT_MS = 15_000;
const BUILD_MS = 45 * 60_000;

export function builtBinaries(bin: string): boolean {
  return existsSync(bin);
}

export async function buildBinaries(
  { bin }: Paths,
  progress: (line: string) => void,
): Promise<void> {
  if (builtBinaries(bin)) return;
  await installPackages(missingPackages("build"), progress);
  const partial = `${bin}.partial`;
  await mkdir(partial, { recursive: true });
  for (const [index, build] of BUILDS.entries()) {
    const step = `building [${index + 1}/${BUILDS.length}] ${build.title}`;
    progress(step);
    await goBuild(build, partial, (compiled, seconds) => {
      progress(`${step}: ${compiled} packages compiled in ${seconds} s`);
    });
  }
  await rename(partial, bin);
}

type Heartbeat = (compiled: number, seconds: number) => void;

async function goBuild(build: Build, bin: string, heartbeat: Heartbeat): Promise<void> {
  const { module, packages, tags = "", cgo, links = [] } = build;
  const cwd = build.folder ?? join(GO_FOLDER, module);
  const flags = [
    "-s",
    "-w",
    ...(await versionFlags(build, cwd)),
    ...(cgo ? ["-extldflags=-static"] : []),
  ];
  const args = [
    "build",
    "-v",
    "-mod=readonly",
    "-buildvcs=false",
    "-trimpath",
    `-tags=${tags}`,
    `-ldflags=${flags.join(" ")}`,
  ];
  const env = environmentWith({ CGO_ENABLED: cgo ? "1" : "0" });
  const child = spawn("nice", ["-n", "5", "go", ...args, "-o", `${bin}/`, ...packages], {
    cwd,
    env,
    stdio: ["ignore", "ignore", "pipe"],
    timeout: BUILD_MS,
    killSignal: "SIGKILL",
  });
  const startMs = performance.now();
  const said: string[] = [];
  let compiled = 0;
  createInterface(child.stderr).on("line", (line) => {
    compiled += 1;
    said.push(line);
    if (said.length > 40) said.shift();
  });
  const timer = setInterval(() => {
    heartbeat(compiled, Math.round((performance.now() - startMs) / 1000));
  }, HEARTBEAT_MS);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        if (code === 0) resolve();
        else reject(new Error(`go build of ${module} failed; its last words:\n${said.join("\n")}`));
      });
    });
  } finally {
    clearInterval(timer);
  }
  for (const link of links) await replaceLink(module, join(bin, link));
}

function kubernetesVersion(version: string): Record<string, string> {
  const [major = "", minor = ""] = version.split(".");
  const base = "k8s.io/component-base/version";
  return {
    [`${base}.gitVersion`]: `v${version}`,
    [`${base}.gitMajor`]: major,
    [`${base}.gitMinor`]: minor,
    "k8s.io/client-go/pkg/version.gitVersion": `v${version}`,
  };
}

async function versionFlags({ versioned }: Build, cwd: string): Promise<string[]> {
  if (!versioned) return [];
  const version = versionIn(await readFile(join(cwd, "go.mod"), "utf8"), versioned.module);
  return Object.entries(versioned.variables(version)).map(([name, value]) => `-X=${name}=${value}`);
}

/** The version that a go.mod requires of a module, without its "v". */
export function versionIn(goMod: string, module: string): string {
  const line = goMod
    .split("\n")
    .find((one) => one.replace("require", "").trim().startsWith(`${module} `));
  const version = /\sv(\S+)/.exec(line ?? "")?.[1];
  if (version === undefined) throw new Error(`go.mod requires no ${module}`);
  return version;
}

async function replaceLink(target: string, path: string): Promise<void> {
  await run("rm", ["-f", path]);
  await symlink(target, path);
}
