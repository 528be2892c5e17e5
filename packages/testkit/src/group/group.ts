/**
 * Starts a group, hands out its members and what can be done to them, and ends it.
 *
 * Guarantees: `close` leaves no process, port or file behind, whatever state the members are in.
 * Does not judge: who leads is read from the slice, as a client would.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { pickAddresses, PORTS } from "./addresses.ts";
import { pod, sidecarRole, statefulSet, writeService, type GroupNames } from "./cluster-objects.ts";
import { createMember, type GroupMember } from "./group-member.ts";
import { killAllIn } from "./leftovers.ts";
import { startPodNetwork, type PodAddress, type PodNetwork } from "./pod-network.ts";
import { startFakeKubernetesApi, type FakeKubernetesApi } from "../fake-kubernetes-api/index.ts";

export interface GroupOptions {
  /** 1 to 7. */
  readonly members: number;
  /** Default `orders`. */
  readonly name?: string;
  readonly profile?: "fast" | "frugal";
  readonly persistence?: "aof" | "rdb" | "none";
  /** Path or name of the server's binary. Default `redis-server`. */
  readonly engine?: string;
  /** Redis asks for it, or with `auth` its user default does. Default: none. */
  readonly password?: string;
  /**
   * Section `auth` of each sidecar. Default: none, and `password` is Redis' own. With it the
   * members' key comes from its files, too.
   */
  readonly auth?: (ordinal: number) => Readonly<Record<string, unknown>>;
  /** Section `redis.tls` of every sidecar; clients of the harness must then speak TLS. */
  readonly tls?: Readonly<Record<string, unknown>>;
  /** With `tls`: a port without it, at every member's `realHost`. Default: none. */
  readonly plaintextPort?: number;
  /** Further lines of redis.conf. */
  readonly redisConfiguration?: readonly string[];
  /** Sections of the sidecar's configuration that replace the harness' own. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The sidecars answer clients of Sentinel, at port 26379 of every address. */
  readonly sentinel?: boolean;
  /** The sidecars label their pods by role, and may. */
  readonly roleLabels?: boolean;
  /** How to run a sidecar. Default: a bundle that is made of this clone's sources first. */
  readonly sidecarCommand?: readonly string[];
  /** False: the caller starts the members. Default true. */
  readonly start?: boolean;
}

export interface Group {
  readonly name: string;
  readonly namespace: string;
  readonly members: readonly GroupMember[];
  readonly api: FakeKubernetesApi;
  /** Holds everything that the group writes; gone after `close`. */
  readonly directory: string;
  /** The member that the slice names now; null: none. */
  currentLeader(): GroupMember | null;
  /** Waits until the slice names a member (another one than `not`). Throws after `timeoutMs`. */
  leader(timeoutMs: number, not?: GroupMember): Promise<GroupMember>;
  /** Waits until `check` holds, asked each 20 ms. Throws after `timeoutMs`, naming `what`. */
  until(what: string, timeoutMs: number, check: () => boolean | Promise<boolean>): Promise<void>;
  /** Address of a member's process behind its pod address; others are returned as they are. */
  directHost(podHost: string): string;
  /** `spec.replicas` of the StatefulSet. */
  scaleTo(replicas: number): void;
  close(): Promise<void>;
}

const REPOSITORY = resolve(import.meta.dirname, "../../../..");
const BUILD_TIMEOUT_MS = 30_000;
const REVISION = "revision-1";
const NAMESPACE = "demo";

export async function startGroup(options: GroupOptions): Promise<Group> {
  const folders = makeFolders();
  const onExit = (): void => cleanUp(folders);
  process.once("exit", onExit);
  const end = (): void => {
    process.removeListener("exit", onExit);
    cleanUp(folders);
  };
  try {
    const group = await assemble(options, folders, end);
    if (options.start !== false) for (const member of group.members) member.powerOn();
    return group;
  } catch (error) {
    end();
    throw error;
  }
}

async function assemble(options: GroupOptions, folders: Folders, end: () => void): Promise<Group> {
  const names = { group: options.name ?? "orders", namespace: NAMESPACE };
  const addresses = await pickAddresses(options.members);
  const sidecarCommand = options.sidecarCommand ?? (await bundleSidecar(folders.disk));
  const memberNames = addresses.map((_, ordinal) => `${names.group}-${ordinal}`);
  const api = await startFakeKubernetesApi({
    namespace: names.namespace,
    allowLoopbackEndpoints: true,
    identities: memberNames.map((name) => ({ name, role: sidecarRole(names, options) })),
  });
  const network = await startPodNetwork(addresses, [
    ...[PORTS.redis, PORTS.http, PORTS.peers],
    ...(options.sentinel ? [PORTS.sentinel] : []),
  ]);
  const scaleTo = (replicas: number): void => {
    api.objects.put(statefulSet(names, { replicas, revision: REVISION }));
  };
  api.objects.put(writeService(names));
  scaleTo(options.members);
  const peerKeyFile = join(folders.disk, "peer-key");
  writeFileSync(peerKeyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
  const members = addresses.map((address, ordinal) => {
    const shared = { names, api, network, folders, sidecarCommand, peerKeyFile };
    return makeMember(options, shared, { address, ordinal });
  });

  const currentLeader = (): GroupMember | null => {
    const host = sliceHost(api, names);
    return members.find((member) => member.podHost === host) ?? null;
  };
  return {
    name: names.group,
    namespace: names.namespace,
    members,
    api,
    directory: folders.disk,
    currentLeader,
    leader: (timeoutMs, not) => waitForLeader(currentLeader, timeoutMs, not),
    until,
    directHost: (host) => addresses.find((pair) => pair.podHost === host)?.realHost ?? host,
    scaleTo,
    async close() {
      killAllIn(folders.disk);
      await Promise.all(members.map((member) => member.close()));
      await network.close();
      await api.close();
      end();
    },
  };
}

interface Shared {
  readonly names: GroupNames;
  readonly api: FakeKubernetesApi;
  readonly network: PodNetwork;
  readonly folders: Folders;
  readonly sidecarCommand: readonly string[];
  readonly peerKeyFile: string;
}

interface Place {
  readonly address: PodAddress;
  readonly ordinal: number;
}

function makeMember(options: GroupOptions, shared: Shared, place: Place): GroupMember {
  const { names, api, network, folders } = shared;
  const name = `${names.group}-${place.ordinal}`;
  const kubeconfigFile = join(folders.disk, `${name}.kubeconfig`);
  writeFileSync(kubeconfigFile, api.kubeconfig(name), { mode: 0o600 });
  return createMember({
    plan: {
      ...names,
      ...place,
      name,
      directory: join(folders.disk, name),
      runDirectory: join(folders.memory, name),
      kubeconfigFile,
      peerKeyFile: shared.peerKeyFile,
      settings: settingsOf(options),
      redisConfiguration: options.redisConfiguration ?? [],
      password: options.password ?? "",
      auth: options.auth?.(place.ordinal) ?? null,
      tls: options.tls ?? null,
      plaintextPort: options.plaintextPort ?? 0,
      sentinel: options.sentinel ?? false,
      sidecarCommand: shared.sidecarCommand,
      guardScript: join(REPOSITORY, "packages/guard/src/redis.sh"),
      engine: options.engine ?? "redis-server",
    },
    network,
    api,
    setPod: (facts) => api.objects.put(pod(names, { revision: REVISION, ...facts })),
    removePod: () => api.objects.remove({ resource: "pods", namespace: names.namespace, name }),
  });
}

async function waitForLeader(
  current: () => GroupMember | null,
  timeoutMs: number,
  not?: GroupMember,
): Promise<GroupMember> {
  let found: GroupMember | null = null;
  await until(`a leader${not ? ` other than ${not.name}` : ""}`, timeoutMs, () => {
    found = current();
    return found !== null && found !== not;
  });
  if (!found) throw new Error("nobody leads");
  return found;
}

function settingsOf(options: GroupOptions): Record<string, unknown> {
  return {
    election: { profile: options.profile ?? "fast" },
    persistence: { mode: options.persistence ?? "aof" },
    ...(options.roleLabels ? { roleLabels: { enabled: true } } : {}),
    ...options.settings,
  };
}

/**
 * All members, and all their restarts, run the sources as they are now, and start as fast as in
 * an image.
 */
async function bundleSidecar(directory: string): Promise<readonly string[]> {
  const bundle = join(directory, "leasehold-sidecar.mjs");
  const build = join(REPOSITORY, "apps/sidecar/build.ts");
  await promisify(execFile)(process.execPath, [build, bundle], { timeout: BUILD_TIMEOUT_MS });
  return [process.execPath, "--max-semi-space-size=1", bundle];
}

interface Folders {
  readonly disk: string;
  /** Run directories are a tmpfs in a pod; without one here, the system's folder has to do. */
  readonly memory: string;
}

function makeFolders(): Folders {
  const parent = join(REPOSITORY, ".tmp");
  mkdirSync(parent, { recursive: true });
  const disk = mkdtempSync(join(parent, "group-"));
  try {
    return { disk, memory: mkdtempSync("/dev/shm/leasehold-") };
  } catch {
    return { disk, memory: mkdtempSync(join(tmpdir(), "leasehold-")) };
  }
}

function cleanUp({ disk, memory }: Folders): void {
  killAllIn(disk);
  for (const directory of [disk, memory]) rmSync(directory, { recursive: true, force: true });
}

interface SliceLike {
  readonly endpoints?: readonly { readonly addresses?: readonly string[] }[] | null;
}

function sliceHost(api: FakeKubernetesApi, names: GroupNames): string | null {
  const slice = api.objects.get({
    resource: "endpointslices",
    namespace: names.namespace,
    name: `${names.group}-ipv4`,
  }) as SliceLike | null;
  return slice?.endpoints?.[0]?.addresses?.[0] ?? null;
}

async function until(
  what: string,
  timeoutMs: number,
  check: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resume) => setTimeout(resume, 20));
  }
}
