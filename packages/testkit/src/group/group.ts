/**
 * Starts a group, hands out its members and what can be done to them, and ends it.
 *
 * Guarantees: `close` leaves no process, port or file behind, whatever state the members are in.
 * Does not judge: who leads is read from the slice, as a client would.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pickAddresses, PORTS } from "./addresses.ts";
import { pod, sidecarRole, statefulSet, writeService } from "./cluster-objects.ts";
import { createMember, type GroupMember } from "./group-member.ts";
import { killAllIn } from "./leftovers.ts";
import { startPodNetwork } from "./pod-network.ts";
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
  /** Redis asks for it. Default: none. */
  readonly password?: string;
  /** Further lines of redis.conf. */
  readonly redisConfiguration?: readonly string[];
  /** Sections of the sidecar's configuration that replace the harness' own. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** How to run a sidecar. Default: Node on the source in this clone. */
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
const REVISION = "revision-1";

export async function startGroup(options: GroupOptions): Promise<Group> {
  const names = { group: options.name ?? "orders", namespace: "demo" };
  const addresses = await pickAddresses(options.members);
  const directory = makeDirectory();
  const memory = makeMemoryDirectory();
  const memberNames = addresses.map((_, ordinal) => `${names.group}-${ordinal}`);
  const api = await startFakeKubernetesApi({
    namespace: names.namespace,
    allowLoopbackEndpoints: true,
    identities: memberNames.map((name) => ({ name, role: sidecarRole(names) })),
  });
  const network = await startPodNetwork(addresses, [PORTS.redis, PORTS.peers]);
  api.objects.put(writeService(names));
  const scaleTo = (replicas: number): void => {
    api.objects.put(statefulSet(names, { replicas, revision: REVISION }));
  };
  scaleTo(options.members);

  const peerKeyFile = join(directory, "peer-key");
  writeFileSync(peerKeyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
  const members = addresses.map((address, ordinal) => {
    const name = memberNames[ordinal] ?? "";
    const kubeconfigFile = join(directory, `${name}.kubeconfig`);
    writeFileSync(kubeconfigFile, api.kubeconfig(name), { mode: 0o600 });
    return createMember({
      plan: {
        ...names,
        name,
        ordinal,
        address,
        directory: join(directory, name),
        runDirectory: join(memory, name),
        kubeconfigFile,
        peerKeyFile,
        settings: settingsOf(options),
        redisConfiguration: options.redisConfiguration ?? [],
        password: options.password ?? "",
        sidecarCommand: options.sidecarCommand ?? sourceCommand(),
        guardScript: join(REPOSITORY, "packages/guard/src/redis.sh"),
        engine: options.engine ?? "redis-server",
      },
      network,
      api,
      setPod: (facts) => api.objects.put(pod(names, { revision: REVISION, ...facts })),
      removePod: () => api.objects.remove({ resource: "pods", namespace: names.namespace, name }),
    });
  });

  const onExit = (): void => cleanUp(directory, memory);
  process.once("exit", onExit);
  const group: Group = {
    name: names.group,
    namespace: names.namespace,
    members,
    api,
    directory,
    currentLeader() {
      const host = sliceHost(api, names);
      return members.find((member) => member.podHost === host) ?? null;
    },
    async leader(timeoutMs, not) {
      const found = (): GroupMember | null => {
        const leader = group.currentLeader();
        return leader && leader !== not ? leader : null;
      };
      await group.until(`a leader${not ? ` other than ${not.name}` : ""}`, timeoutMs, () =>
        Boolean(found()),
      );
      return found() as GroupMember;
    },
    until,
    directHost: (host) => addresses.find((pair) => pair.podHost === host)?.realHost ?? host,
    scaleTo,
    async close() {
      killAllIn(directory);
      await Promise.all(members.map((member) => member.cutPower()));
      await network.close();
      await api.close();
      process.removeListener("exit", onExit);
      cleanUp(directory, memory);
    },
  };
  if (options.start !== false) for (const member of members) member.powerOn();
  return group;
}

function settingsOf(options: GroupOptions): Record<string, unknown> {
  return {
    election: { profile: options.profile ?? "fast" },
    persistence: { mode: options.persistence ?? "aof" },
    ...options.settings,
  };
}

function sourceCommand(): readonly string[] {
  return [process.execPath, join(REPOSITORY, "apps/sidecar/src/main.ts")];
}

function makeDirectory(): string {
  const parent = join(REPOSITORY, ".tmp");
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, "group-"));
}

/** Run directories are a tmpfs in a pod; without one here, the system's folder has to do. */
function makeMemoryDirectory(): string {
  try {
    return mkdtempSync("/dev/shm/leasehold-");
  } catch {
    return mkdtempSync(join(tmpdir(), "leasehold-"));
  }
}

function cleanUp(...directories: readonly string[]): void {
  for (const directory of directories) {
    killAllIn(directory);
    rmSync(directory, { recursive: true, force: true });
  }
}

interface SliceLike {
  readonly endpoints?: readonly { readonly addresses?: readonly string[] }[];
}

function sliceHost(
  api: FakeKubernetesApi,
  names: { readonly group: string; readonly namespace: string },
): string | null {
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
