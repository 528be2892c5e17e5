/** What happens to processes and containers of one pod. */
import type { Pod } from "../pod/pod.ts";
import type { World } from "../world.ts";
import type { Random } from "../../random.ts";
import { instant, pickPod, type Effect, type Fault } from "./fault.ts";

const RESTART_MS = 8_000;
/** A member that was killed for hanging may not lead for a while. */
const HANG_MS = 65_000;
const THAW_EXEMPTION_MS = 1_000;

function toPod(
  shape: Omit<Fault, "begin">,
  begin: (pod: Pod, world: World, random: Random) => Omit<Effect, "who"> | null,
): Fault {
  return {
    ...shape,
    begin: (world, random) => {
      const pod = pickPod(world, random);
      if (pod === null) return null;
      const effect = begin(pod, world, random);
      return effect && { who: [pod.name], isLocal: true, ...effect };
    },
  };
}

const sidecarFreezes = toPod(
  { name: "sidecar-freezes", lengthMs: [200, 14_000], aftermathMs: 5_000 },
  (pod) => {
    const { sidecar } = pod;
    if (!sidecar?.alive) return null;
    sidecar.stopped = true;
    return {
      words: `SIGSTOP sidecar of ${pod.label}`,
      end: () => {
        sidecar.stopped = false;
        sidecar.resumed();
      },
    };
  },
);

const redisStops = toPod(
  { name: "redis-stops", lengthMs: [100, 9_000], aftermathMs: HANG_MS },
  (pod) => {
    const { redis } = pod;
    if (!redis?.alive) return null;
    redis.stopped = true;
    return {
      words: `SIGSTOP Redis of ${pod.label}`,
      end: () => {
        redis.stopped = false;
        redis.resumed();
      },
    };
  },
);

const containerFreezes = toPod(
  { name: "container-freezes", lengthMs: [300, 12_000], aftermathMs: HANG_MS },
  (pod, world) => {
    if (pod.frozen) return null;
    pod.frozen = true;
    return {
      words: `redis container of ${pod.label} is frozen, Redis and guard`,
      end: () => {
        pod.frozen = false;
        pod.exemptUntilMs = world.clock.nowMs + THAW_EXEMPTION_MS;
        pod.resumed();
      },
    };
  },
);

const noClients = toPod(
  { name: "redis-maxclients", lengthMs: [300, 4_000], aftermathMs: HANG_MS },
  (pod) => {
    pod.refusesClients = true;
    return {
      words: `Redis of ${pod.label} accepts no further client`,
      end: () => {
        pod.refusesClients = false;
      },
    };
  },
);

function withPod(
  name: string,
  aftermathMs: number,
  act: (pod: Pod, world: World, random: Random) => string | null,
): Fault {
  return instant(name, aftermathMs, (world, random) => {
    const pod = pickPod(world, random);
    const words = pod === null ? null : act(pod, world, random);
    return pod === null || words === null ? null : { who: [pod.name], isLocal: true, words };
  });
}

const sidecarCrashes = withPod("sidecar-crashes", RESTART_MS, (pod) => {
  if (!pod.sidecar?.alive) return null;
  pod.sidecar.end();
  pod.sidecarEnded();
  return `SIGKILL sidecar of ${pod.label}`;
});

const sidecarTerminated = withPod("sidecar-terminated", RESTART_MS, (pod) => {
  if (!pod.sidecar?.alive) return null;
  pod.sidecar.dispatch({ type: "terminate" });
  return `SIGTERM sidecar of ${pod.label}`;
});

const sidecarLags = withPod("sidecar-lags", 4_000, (pod, _world, random) => {
  const lengthMs = random.between(100, 2_500);
  pod.sidecar?.lag(lengthMs);
  return `event loop of ${pod.label} stands still for ${lengthMs.toFixed(0)} ms`;
});

const redisCrashes = withPod("redis-crashes", RESTART_MS, (pod) => {
  if (!pod.redis?.alive) return null;
  pod.redis.end("exit");
  return `SIGKILL Redis of ${pod.label}`;
});

const containerCrashes = withPod("container-crashes", RESTART_MS, (pod) => {
  if (!pod.guard?.alive) return null;
  pod.guard.end("kill");
  pod.frozen = false;
  pod.guardEnded();
  return `redis container of ${pod.label} is killed`;
});

const podCrashes = withPod("pod-oom", RESTART_MS, (pod, world, random) => {
  if (!pod.redis?.alive || !pod.sidecar?.alive) return null;
  pod.redis.end("exit");
  world.clock.after(random.between(0, 50), () => {
    if (!pod.sidecar?.alive) return;
    pod.sidecar.end();
    pod.sidecarEnded();
  });
  return `SIGKILL Redis and sidecar of ${pod.label}`;
});

/** Kernels end all processes, and keep what these had written. */
const allProcessesEnd: Fault = {
  name: "all-processes-end",
  lengthMs: [0, 0],
  aftermathMs: RESTART_MS,
  begin: (world) => {
    const pods = world.livePods().filter(({ machine }) => machine.powered && !machine.frozen);
    for (const pod of pods) {
      pod.sidecar?.end();
      pod.guard?.end("kill");
      pod.frozen = false;
    }
    for (const pod of pods) {
      pod.sidecarEnded();
      pod.guardEnded();
    }
    const who = pods.map(({ name }) => name);
    return { who, isLocal: true, keepsFiles: true, words: "SIGKILL everything of all members" };
  },
};

const clientsKilled = withPod("redis-client-kill", 1_000, (pod) => {
  if (!pod.redis?.isRunning()) return null;
  pod.redis.cutClients(null);
  return `CLIENT KILL TYPE normal on ${pod.label}`;
});

const clientsUnpaused = withPod("redis-client-unpause", 1_000, (pod) => {
  if (!pod.redis?.isRunning() || !pod.redis.isPaused()) return null;
  // The pause of a fresh promotion is ours alone; the one of a switchover may be lifted by anyone.
  if (pod.redis.role === "primary" && !pod.redis.writes.hasAccepted) return null;
  pod.redis.writes.unpause();
  return `CLIENT UNPAUSE on ${pod.label}`;
});

const scriptRuns = withPod("redis-script", HANG_MS, (pod, world, random) => {
  const { redis } = pod;
  if (!redis?.isRunning() || redis.isBusy() || redis.role !== "primary") return null;
  const lengthMs = random.between(500, 18_000);
  const { id } = world.ledger.open("direct");
  redis.runScript(lengthMs, {
    id,
    bytes: 80,
    waitMs: 0,
    connection: null,
    answer: () => undefined,
  });
  return `a script runs on ${pod.label} for ${lengthMs.toFixed(0)} ms`;
});

/** The container comes back with an `/proc/uptime` of its own (lxcfs): its guard counts late. */
const guardSkews = toPod(
  { name: "guard-skews", lengthMs: [8_000, 25_000], aftermathMs: RESTART_MS },
  (pod, _world, random) => {
    if (!pod.guard?.alive || pod.frozen) return null;
    const skew = (skewMs: number): void => {
      pod.guardSkewMs = skewMs;
      pod.guard?.end("kill");
      pod.guardEnded();
    };
    const skewMs = -random.between(2_000, 120_000);
    skew(skewMs);
    const seconds = (skewMs / 1_000).toFixed(0);
    return {
      words: `the guard of ${pod.label} restarts with a clock that is off by ${seconds} s`,
      end: () => skew(0),
    };
  },
);

export const PROCESS_FAULTS: readonly Fault[] = [
  sidecarCrashes,
  sidecarTerminated,
  sidecarFreezes,
  sidecarLags,
  redisCrashes,
  redisStops,
  scriptRuns,
  clientsKilled,
  clientsUnpaused,
  noClients,
  containerCrashes,
  containerFreezes,
  podCrashes,
  allProcessesEnd,
  guardSkews,
];
