/** What happens around a migration: its operator, the source, and the ways to it. */
import type { Action } from "@leasehold/replication";
import type { World } from "../world.ts";
import type { Random } from "../../random.ts";
import { instant, pickPod, type Effect, type Fault } from "./fault.ts";
import type { Pod } from "../pod/pod.ts";
import { Volume } from "../redis/volume.ts";
import { SOURCE_ADDRESS } from "../source/source.ts";
import { bothWays, cutPairs } from "./node-faults.ts";
import { type Trap, trapped } from "./trap-faults.ts";

const NOBODY: readonly string[] = [];
const LOST_AFTERMATH_MS = 10_000;

function cutover(world: World, random: Random): Effect | null {
  const mover = world.source?.mover;
  if (mover === undefined) return null;
  if (random.chance(0.2)) {
    return mover.askByForce() ? { who: NOBODY, words: "a cutover is forced" } : null;
  }
  if (!mover.ask(false, random.chance(0.08))) return null;
  if (random.chance(0.25)) world.clock.after(random.between(5, 9_000), () => mover.withdraw());
  return { who: NOBODY, words: "a cutover is asked for" };
}

function restart({ source }: World): Effect | null {
  if (!source?.redis.alive) return null;
  source.redis.end("exit");
  return { who: NOBODY, words: "the source crashes" };
}

const freeze: Fault = {
  name: "source-freezes",
  lengthMs: [100, 9_000],
  aftermathMs: 0,
  begin: ({ source }) => {
    const redis = source?.redis;
    if (!redis?.alive) return null;
    redis.stopped = true;
    return {
      who: NOBODY,
      words: "SIGSTOP of the source",
      end: () => {
        redis.stopped = false;
        redis.resumed();
      },
    };
  },
};

/** Of one member or of all; one way or both. */
const cut: Fault = {
  name: "source-cut",
  lengthMs: [300, 15_000],
  aftermathMs: 0,
  begin: (world, random) => {
    const { source } = world;
    const pod = pickPod(world, random);
    if (source === null || pod === null) return null;
    const ofAll = random.chance(0.5);
    const machines = ofAll ? world.machines : [pod.machine];
    const way = random.pick(["to", "from", "to and from"]);
    const pairs = machines.flatMap(({ address }) => {
      const to = [address, source.machine.address] as const;
      const from = [source.machine.address, address] as const;
      return [...(way === "from" ? [] : [to]), ...(way === "to" ? [] : [from])];
    });
    const end = cutPairs(world, pairs);
    const who = ofAll ? "all members" : pod.label;
    return { who: NOBODY, words: `nothing gets ${way} the source at ${who}`, end };
  },
};

const slow: Fault = {
  name: "source-slow",
  lengthMs: [1_000, 12_000],
  aftermathMs: 0,
  begin: (world, random) => {
    const { source } = world;
    const pod = pickPod(world, random);
    if (source === null || pod === null) return null;
    const ends = [pod.machine.address, source.machine.address] as const;
    const [from, to] = random.chance(0.5) ? ends : [ends[1], ends[0]];
    const extraMs = random.between(50, 2_500);
    world.network.delay(from, to, extraMs);
    return {
      who: NOBODY,
      words: `${extraMs.toFixed(0)} ms on one way between ${pod.label} and the source`,
      end: () => world.network.delay(from, to, 0),
    };
  },
};

function script(world: World, random: Random): Effect | null {
  const { source } = world;
  if (!source?.redis.isRunning() || source.redis.isBusy() || source.isQuiet) return null;
  const lengthMs = random.between(300, 6_000);
  const { id } = source.ledger.open("direct");
  const write = { id, bytes: 80, waitMs: 0, connection: null, answer: () => undefined };
  source.redis.runScript(lengthMs, write);
  return { who: NOBODY, words: `a script runs on the source for ${lengthMs.toFixed(0)} ms` };
}

type Trouble = (world: World, pod: Pod, random: Random) => (() => void) | null;

function crash(_world: World, { redis }: Pod): null {
  redis?.end("exit");
  return null;
}

function killSidecar(_world: World, pod: Pod): null {
  if (!pod.sidecar?.alive) return null;
  pod.sidecar.end();
  pod.sidecarEnded();
  return null;
}

function freezeSidecar(_world: World, { sidecar }: Pod): (() => void) | null {
  if (!sidecar?.alive) return null;
  sidecar.stopped = true;
  return () => {
    sidecar.stopped = false;
    sidecar.resumed();
  };
}

function loseSource(world: World, pod: Pod, random: Random): () => void {
  const [here, there] = [pod.machine.address, SOURCE_ADDRESS];
  const pairs = random.pick([bothWays(here, there), [[here, there]], [[there, here]]] as const);
  return cutPairs(world, pairs);
}

function loseApi(world: World, pod: Pod, random: Random): () => void {
  const { address } = pod.machine;
  world.api.setFault(address, random.pick(["hang", "lossy", "slow"]));
  return () => world.api.setFault(address, null);
}

function slowDisk(world: World, { machine }: Pod, random: Random): () => void {
  world.slowDisks.set(machine, random.between(100, 4_000));
  return () => world.slowDisks.delete(machine);
}

const TROUBLES: readonly (readonly [string, Trouble])[] = [
  ["its way to the source is cut", loseSource],
  ["its sidecar is killed", killSidecar],
  ["its sidecar stands still", freezeSidecar],
  ["its Redis crashes", crash],
  ["it loses the API", loseApi],
  ["its disk is slow", slowDisk],
  ["the source crashes", (world) => restart(world) && null],
  ["it is withdrawn", (world) => (world.source?.mover.withdraw(), null)],
];

/** Strikes once the source is asked, or is to be opened; sometimes with a second one. */
const intoTrouble: Fault = {
  name: "cutover-into-trouble",
  lengthMs: [800, 12_000],
  aftermathMs: 10_000,
  begin: (world, random) => {
    const ends: (() => void)[] = [];
    const wanted = random.chance(0.8) ? "askSource" : "openSource";
    let left = random.chance(0.4) ? 2 : 1;
    const strike = (pod: Pod, trap: Trap): void => {
      if (!world.traps.has(trap)) return;
      const [words, trouble] = random.pick(TROUBLES);
      world.log("fault", `in the cutover of ${pod.label}: ${words}`);
      const end = trouble(world, pod, random);
      if (end !== null) ends.push(end);
    };
    const trap: Trap = {
      decided: ({ pod }, actions) => {
        if (left === 0 || !actions.some(({ type }) => type === wanted)) return;
        for (; left > 0; left -= 1) {
          const inMs = random.chance(0.6) ? random.between(0, 9) : random.between(0, 400);
          world.clock.after(inMs, () => strike(pod, trap));
        }
      },
    };
    world.source?.mover.ask();
    const who = ["api", ...world.livePods().map((pod) => pod.name)];
    return trapped(world, trap, { who, words: "a cutover into trouble", ends });
  },
};

/** What closes the source meets a cut, and comes when everybody has given it up. */
const heldUp: Fault = {
  name: "closing-held-up",
  lengthMs: [3_000, 8_000],
  aftermathMs: 1_000,
  begin: (world, random) => {
    const ends: (() => void)[] = [];
    let isSet = true;
    const trap: Trap = {
      decided: ({ pod }, actions) => {
        if (!isSet || !actions.some(({ type }) => type === "askSource")) return;
        isSet = false;
        world.clock.after(random.between(1.5, 4), () => {
          if (!world.traps.has(trap)) return;
          world.log("fault", `nothing gets from ${pod.label} to the source`);
          ends.push(cutPairs(world, [[pod.machine.address, SOURCE_ADDRESS]]));
        });
      },
    };
    world.source?.mover.ask();
    return trapped(world, trap, { who: NOBODY, words: "a closing that is held up", ends });
  },
};

/** The Redis of a cutover dies around its first write, mostly without the API to tell of it. */
const crashesMoved: Fault = {
  name: "moved-and-crashed",
  lengthMs: [1_000, 6_000],
  aftermathMs: 10_000,
  begin: (world, random) => {
    const ends: (() => void)[] = [];
    let isSet = true;
    const isPromotion = (action: Action): boolean =>
      action.type === "redisRole" && action.command.kind === "promote";
    const trap: Trap = {
      decided: ({ pod }, actions) => {
        if (!isSet || !actions.some((action) => isPromotion(action))) return;
        isSet = false;
        if (random.chance(0.6)) ends.push(loseApi(world, pod, random));
        world.clock.after(random.between(2, 400), () => crash(world, pod));
        world.log("fault", `Redis of ${pod.label} is to die: promoted`);
      },
    };
    world.source?.mover.ask();
    const who = ["api", ...world.livePods().map((pod) => pod.name)];
    return trapped(world, trap, { who, words: "a cutover into a crash", ends });
  },
};

/** Worlds that have lost a member for good. */
const BEREFT = new WeakSet<World>();

/** Its node and its volume are gone for good; the next pod of its name begins empty elsewhere. */
function loseForGood(world: World, pod: Pod, random: Random): void {
  const { machine, spec } = pod;
  const spare = world.machines.find((one) => world.podsOn(one).length === 0 && one.powered);
  // A group of one has nothing else to go on with; and of two losses nothing is promised.
  const isAlone = world.store.replicas < 2 || world.source?.mover.goesAlone === true;
  const isNoMatter = isAlone || BEREFT.has(world);
  if (isNoMatter || spare === undefined || pod.gone || !machine.powered) return;
  BEREFT.add(world);
  world.log("fault", `${pod.label} is lost for good`);
  const touch = world.faults.begin([pod.name], world.clock.nowMs);
  world.kubelet.powerOff(machine);
  pod.volume.wipe(true);
  world.clock.after(random.between(500, 20_000), () => {
    world.store.removePod(spec.uid);
    pod.end("kill");
    world.kubelet.createPod(spec.ordinal, spare, new Volume(world.options.mode));
    world.faults.end(touch, world.clock.nowMs, LOST_AFTERMATH_MS);
  });
}

/** The member that ends a migration is lost around the step that cannot be taken back. */
const losesMoved: Fault = {
  name: "moved-and-lost",
  lengthMs: [3_000, 12_000],
  aftermathMs: 0,
  begin: (world, random) => {
    let isSet = true;
    const isStep = (action: Action): boolean =>
      (action.type === "writeLease" && action.write.record.lineage.at(-1)?.moved === true) ||
      (action.type === "redisRole" && action.command.kind === "promote");
    const trap: Trap = {
      decided: ({ pod }, actions) => {
        if (!isSet || !actions.some((action) => isStep(action))) return;
        isSet = false;
        const inMs = random.chance(0.5) ? random.between(0, 60) : random.between(0, 1_500);
        world.clock.after(inMs, () => loseForGood(world, pod, random));
      },
    };
    world.source?.mover.ask();
    return trapped(world, trap, { who: NOBODY, words: "a cutover into a loss" });
  },
};

export const SOURCE_FAULTS: readonly Fault[] = [
  instant("cutover", 0, cutover),
  instant("cutover-withdraw", 0, ({ source }) =>
    source?.mover.withdraw() ? { who: NOBODY, words: "the cutover is withdrawn" } : null,
  ),
  instant("source-restarts", 0, restart),
  instant("source-script", 0, script),
  freeze,
  cut,
  slow,
  intoTrouble,
  heldUp,
  crashesMoved,
  losesMoved,
];
