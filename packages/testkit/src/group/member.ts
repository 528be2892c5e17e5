/**
 * One member: guard, Redis and sidecar as real processes, and what can be done to them.
 *
 * Plays the kubelet for its pod only as far as it is asked to; nothing restarts by itself.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { controlProcess, type ControlledProcess } from "./controlled-process.ts";
import { PORTS } from "./addresses.ts";
import { killAllIn } from "./leftovers.ts";
import type { PodAddress } from "./pod-network.ts";

export interface MemberPlan {
  readonly group: string;
  readonly namespace: string;
  readonly name: string;
  readonly ordinal: number;
  readonly address: PodAddress;
  /** Holds this member's configuration and logs; the working directory of its processes. */
  readonly directory: string;
  readonly runDirectory: string;
  readonly kubeconfigFile: string;
  readonly peerKeyFile: string;
  /** Sections of the sidecar's configuration beside those that the harness sets. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly password: string;
  /** Null: `password` is Redis' own, and `peerKeyFile` holds the members' key. */
  readonly auth: Readonly<Record<string, unknown>> | null;
  readonly tls: Readonly<Record<string, unknown>> | null;
  readonly plaintextPort: number;
  /** Its sidecar answers clients of Sentinel. */
  readonly sentinel: boolean;
  /** Further lines of redis.conf. */
  readonly redisConfiguration: readonly string[];
  readonly sidecarCommand: readonly string[];
  readonly guardScript: string;
  readonly engine: string;
}

export interface RedisControl {
  /** As the guard names it; null while none runs. */
  pid(): number | null;
  /** False if none runs. */
  signal(name: NodeJS.Signals): boolean;
}

export interface MemberProcesses {
  readonly guard: ControlledProcess;
  readonly sidecar: ControlledProcess;
  readonly redis: RedisControl;
  readonly dataDirectory: string;
  readonly runDirectory: string;
  /** Starts guard and sidecar under this pod UID. */
  start(podUid: string): void;
  /** What a node loses with its power: all processes at once, and the tmpfs. */
  cutPower(): Promise<void>;
  /** preStop, SIGTERM to Redis, then to the sidecar, as the kubelet does; then the tmpfs goes. */
  terminate(graceMs: number): Promise<void>;
  /** Everything on the data volume. The member must not run. */
  wipeDisk(): void;
  /** Asks for a hand-over as the preStop hook does. True: the sidecar answered in time. */
  preStop(timeoutMs: number): Promise<boolean>;
  readonly logFiles: { readonly sidecar: string; readonly guard: string };
}

/**
 * The processes inherit nothing else: what they are told, they are told by their files. Where Redis
 * came with the set-up of this repository, it is on our own path alone.
 */
// oxlint-disable-next-line node/no-process-env -- as every search for a program does
const SEARCH_PATH = process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";

export function createMemberProcesses(plan: MemberPlan): MemberProcesses {
  const dataDirectory = join(plan.directory, "data");
  const configFile = join(plan.directory, "sidecar.json");
  const logFiles = {
    sidecar: join(plan.directory, "sidecar.log"),
    guard: join(plan.directory, "guard.log"),
  };
  const guard = controlProcess(() => ({
    file: "sh",
    args: [plan.guardScript, "--", plan.engine, join(plan.runDirectory, "redis.conf")],
    cwd: plan.directory,
    env: { PATH: SEARCH_PATH, LEASEHOLD_RUN_DIR: plan.runDirectory },
    logFile: logFiles.guard,
  }));
  const sidecar = controlProcess(() => ({
    file: plan.sidecarCommand[0] ?? process.execPath,
    args: plan.sidecarCommand.slice(1),
    cwd: plan.directory,
    env: { PATH: SEARCH_PATH, LEASEHOLD_CONFIG: configFile },
    logFile: logFiles.sidecar,
  }));
  const preStop = (timeoutMs: number): Promise<boolean> => askToStop(plan.runDirectory, timeoutMs);
  const makeDirectories = (): void => {
    mkdirSync(dataDirectory, { recursive: true });
    mkdirSync(plan.runDirectory, { recursive: true });
  };
  const endAll = async (): Promise<void> => {
    // The guard goes first: it would restart Redis.
    guard.signal("SIGKILL");
    sidecar.signal("SIGKILL");
    killAllIn(plan.directory);
    await Promise.all([guard.stop("SIGKILL", 0), sidecar.stop("SIGKILL", 0)]);
    killAllIn(plan.directory);
    rmSync(plan.runDirectory, { recursive: true, force: true });
  };
  return {
    guard,
    sidecar,
    redis: controlRedis(plan.runDirectory),
    dataDirectory,
    runDirectory: plan.runDirectory,
    logFiles,
    preStop,
    start(podUid) {
      makeDirectories();
      const settings = sidecarSettings(plan, { dataDirectory, podUid });
      writeFileSync(configFile, JSON.stringify(settings, null, 2));
      sidecar.start();
      guard.start();
    },
    cutPower: endAll,
    async terminate(graceMs) {
      const deadline = performance.now() + graceMs;
      const left = (): number => Math.max(0, deadline - performance.now());
      await preStop(left());
      await guard.stop("SIGTERM", left());
      await sidecar.stop("SIGTERM", Math.max(1_000, left()));
      await endAll();
    },
    wipeDisk: () => rmSync(dataDirectory, { recursive: true, force: true }),
  };
}

interface SettingsFacts {
  readonly dataDirectory: string;
  readonly podUid: string;
}

function sidecarSettings(plan: MemberPlan, facts: SettingsFacts): Record<string, unknown> {
  const { podHost, realHost } = plan.address;
  return {
    group: plan.group,
    namespace: plan.namespace,
    member: { name: plan.name, podUid: facts.podUid, host: podHost },
    directories: { run: plan.runDirectory, data: facts.dataDirectory },
    redis: {
      bind: [realHost],
      port: PORTS.redis,
      ...(plan.auth ? {} : { password: plan.password }),
      tls: plan.tls,
      plaintextPort: plan.plaintextPort,
      // Replicas call from their own address, so that a cut knows whose flow it is.
      configuration: [`bind-source-addr ${realHost}`, ...plan.redisConfiguration],
    },
    http: { host: realHost, port: PORTS.http },
    ...(plan.sentinel ? { sentinel: { enabled: true, host: realHost, port: PORTS.sentinel } } : {}),
    ...(plan.auth ? { auth: plan.auth } : {}),
    peers: {
      host: realHost,
      port: PORTS.peers,
      ...(plan.auth ? {} : { keyFile: plan.peerKeyFile }),
    },
    kubernetes: { kubeconfig: plan.kubeconfigFile },
    log: { level: "info", format: "json" },
    ...plan.settings,
  };
}

function controlRedis(runDirectory: string): RedisControl {
  const pid = (): number | null => {
    const [, state, id] = readStatus(runDirectory);
    return state === "running" && id && /^\d+$/.test(id) ? Number(id) : null;
  };
  return {
    pid,
    signal(name) {
      const id = pid();
      if (id === null) return false;
      try {
        return process.kill(id, name);
      } catch {
        return false;
      }
    },
  };
}

/** `<bootId> <state> <pid> <uptimeMs>`, the guard's status line. */
function readStatus(runDirectory: string): readonly string[] {
  try {
    return readFileSync(join(runDirectory, "status"), "utf8").trim().split(" ");
  } catch {
    return [];
  }
}

async function askToStop(runDirectory: string, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  try {
    writeFileSync(join(runDirectory, "stop"), "");
  } catch {
    return false;
  }
  while (performance.now() < deadline) {
    if (exists(join(runDirectory, "stopped"))) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

function exists(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}
