/** What happens to nodes, to the network between them, and to volumes. */
import { API_ADDRESS } from "../api/server.ts";
import type { Machine } from "../machine.ts";
import type { World } from "../world.ts";
import { pickPod, type Fault } from "./fault.ts";

const REJOIN_MS = 10_000;
const THAW_EXEMPTION_MS = 1_000;

export function cutPairs(world: World, pairs: readonly (readonly [number, number])[]): () => void {
  for (const [from, to] of pairs) world.network.cut(from, to);
  return () => {
    for (const [from, to] of pairs) world.network.heal(from, to);
  };
}

export function bothWays(a: number, b: number): (readonly [number, number])[] {
  return [
    [a, b],
    [b, a],
  ];
}

/** Network addresses of all members' nodes but this one. */
export function othersOf(world: World, machine: Machine): number[] {
  return world.machines.map((other) => other.address).filter((other) => other !== machine.address);
}

function powerLoss(name: string, loses: "nothing" | "data" | "volume"): Fault {
  return {
    name,
    lengthMs: [500, 15_000],
    aftermathMs: REJOIN_MS,
    begin: (world, random) => {
      const pod = pickPod(world, random);
      if (pod === null) return null;
      const { machine } = pod;
      world.kubelet.powerOff(machine);
      if (loses !== "nothing") pod.volume.wipe(loses === "volume");
      return {
        who: [pod.name],
        isLocal: true,
        words: `power loss of ${machine.name} (${pod.label}), loses ${loses}`,
        end: () => world.kubelet.powerOn(machine),
      };
    },
  };
}

function freeze(name: string, suspend: boolean): Fault {
  return {
    name,
    lengthMs: [300, 15_000],
    aftermathMs: REJOIN_MS,
    begin: (world, random) => {
      const pod = pickPod(world, random);
      if (pod === null) return null;
      const { machine } = pod;
      machine.freeze(suspend);
      return {
        who: world.podsOn(machine).map((other) => other.name),
        words: `${machine.name} (${pod.label}) ${suspend ? "is suspended" : "freezes"}`,
        end: () => {
          machine.thaw();
          for (const other of world.podsOn(machine)) {
            other.exemptUntilMs = world.clock.nowMs + THAW_EXEMPTION_MS;
            other.resumed();
          }
        },
      };
    },
  };
}

const partition: Fault = {
  name: "partition",
  lengthMs: [300, 15_000],
  aftermathMs: REJOIN_MS,
  begin: (world, random) => {
    const pod = pickPod(world, random);
    if (pod === null) return null;
    const { address } = pod.machine;
    const others = random.weighted<readonly [string, number[]]>([
      [3, ["everybody and the API", [API_ADDRESS, ...othersOf(world, pod.machine)]]],
      [2, ["the other members", othersOf(world, pod.machine)]],
      [3, ["the API", [API_ADDRESS]]],
    ]);
    const end = cutPairs(
      world,
      others[1].flatMap((other) => bothWays(address, other)),
    );
    const who = others[1].includes(API_ADDRESS) ? [pod.name, "api"] : [pod.name];
    return { who, words: `${pod.label} is cut off from ${others[0]}`, end };
  },
};

const oneWayCut: Fault = {
  name: "one-way-cut",
  lengthMs: [300, 12_000],
  aftermathMs: REJOIN_MS,
  begin: (world, random) => {
    const pod = pickPod(world, random);
    if (pod === null) return null;
    const other = random.pick([API_ADDRESS, ...othersOf(world, pod.machine)]);
    const { address } = pod.machine;
    const outward = random.chance(0.5);
    const end = cutPairs(world, [outward ? [address, other] : [other, address]]);
    const peer = world.machines.find((machine) => machine.address === other);
    const peers = peer === undefined ? ["api"] : world.podsOn(peer).map((found) => found.name);
    const way = outward ? "to" : "from";
    return {
      who: [pod.name, ...peers],
      words: `nothing gets through ${way} ${peer?.name ?? "the API"} at ${pod.label}`,
      end,
    };
  },
};

const pairCut: Fault = {
  name: "pair-cut",
  lengthMs: [300, 15_000],
  aftermathMs: REJOIN_MS,
  begin: (world, random) => {
    const pods = world.livePods();
    if (pods.length < 2) return null;
    const a = random.pick(pods);
    const b = random.pick(pods.filter((pod) => pod !== a));
    const end = cutPairs(world, bothWays(a.machine.address, b.machine.address));
    return { who: [a.name, b.name], words: `${a.label} and ${b.label} are cut apart`, end };
  },
};

const slowLink: Fault = {
  name: "slow-link",
  lengthMs: [1_000, 15_000],
  aftermathMs: 3_000,
  begin: (world, random) => {
    const pod = pickPod(world, random);
    if (pod === null) return null;
    const other = random.pick(othersOf(world, pod.machine));
    const extraMs = random.between(20, 1_500);
    const { address } = pod.machine;
    world.network.delay(other, address, extraMs);
    const peer = world.machines.find((machine) => machine.address === other);
    const peers = peer === undefined ? [] : world.podsOn(peer).map((found) => found.name);
    return {
      who: [pod.name, ...peers],
      words: `${extraMs.toFixed(0)} ms from ${peer?.name ?? "?"} to ${pod.label}`,
      end: () => world.network.delay(other, address, 0),
    };
  },
};

const packetLoss: Fault = {
  name: "packet-loss",
  lengthMs: [1_000, 12_000],
  aftermathMs: 5_000,
  begin: (world, random) => {
    world.network.lossChance = random.between(0.02, 0.3);
    const percent = (world.network.lossChance * 100).toFixed(0);
    return {
      who: ["api", ...world.livePods().map((pod) => pod.name)],
      words: `${percent} % of all messages are lost`,
      end: () => {
        world.network.lossChance = 0;
      },
    };
  },
};

const slowDisk: Fault = {
  name: "slow-disk",
  lengthMs: [1_000, 12_000],
  aftermathMs: 5_000,
  begin: (world, random) => {
    const pod = pickPod(world, random);
    if (pod === null) return null;
    const delayMs = random.between(50, 5_000);
    world.slowDisks.set(pod.machine, delayMs);
    return {
      who: [pod.name],
      words: `disk of ${pod.label}: ${delayMs.toFixed(0)} ms for each fsync`,
      end: () => world.slowDisks.delete(pod.machine),
    };
  },
};

function totalPowerLoss(name: string, keepsFiles: boolean): Fault {
  return {
    name,
    lengthMs: [300, 6_000],
    aftermathMs: REJOIN_MS,
    begin: (world, random) => {
      const machines = world.machines.filter((machine) => machine.powered && !machine.frozen);
      for (const machine of machines) world.kubelet.powerOff(machine, keepsFiles);
      return {
        who: world.livePods().map((pod) => pod.name),
        keepsFiles,
        words: `power loss of every node${keepsFiles ? ", files kept" : ""}`,
        end: () => {
          for (const machine of machines) {
            world.clock.after(random.between(0, 4_000), () => world.kubelet.powerOn(machine));
          }
        },
      };
    },
  };
}

export const NODE_FAULTS: readonly Fault[] = [
  powerLoss("node-power", "nothing"),
  powerLoss("node-loses-data", "data"),
  powerLoss("node-loses-volume", "volume"),
  freeze("node-freezes", false),
  freeze("node-suspends", true),
  partition,
  oneWayCut,
  pairCut,
  slowLink,
  packetLoss,
  slowDisk,
  totalPowerLoss("total-power-loss", false),
  totalPowerLoss("total-power-off", true),
];
