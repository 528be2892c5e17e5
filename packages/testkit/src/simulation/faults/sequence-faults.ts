/** Trouble that comes in a certain order: one thing goes wrong, and seconds later the next. */
import { API_ADDRESS } from "../api/server.ts";
import { leaderOf, type Fault } from "./fault.ts";
import { bothWays, cutPairs, othersOf } from "./node-faults.ts";

/** The leader's pod is deleted while nobody can take over: the others are cut off and behind. */
const cleanStop: Fault = {
  name: "clean-stop",
  lengthMs: [24_000, 40_000],
  aftermathMs: 15_000,
  begin: (world, random) => {
    const leader = leaderOf(world);
    if (leader === null || leader.terminating) return null;
    const { address } = leader.machine;
    const heal = cutPairs(
      world,
      othersOf(world, leader.machine).flatMap((other) => bothWays(address, other)),
    );
    world.clock.after(random.between(200, 2_000), () => world.kubelet.deletePod(leader, 30_000));
    return {
      who: [leader.name],
      words: `${leader.label} is cut off from the others, then deleted`,
      end: heal,
    };
  },
};

/** Writes held back on their way to each replica: bytes that come late. */
const lateBytes: Fault = {
  name: "late-bytes",
  lengthMs: [3_000, 15_000],
  aftermathMs: 3_000,
  begin: (world, random) => {
    const leader = leaderOf(world);
    if (leader === null) return null;
    const extraMs = random.between(2, 60);
    const from = leader.machine.address;
    const others = othersOf(world, leader.machine);
    for (const to of others) world.network.delay(from, to, extraMs);
    return {
      who: world.livePods().map((pod) => pod.name),
      words: `${extraMs.toFixed(0)} ms more from ${leader.label} to the others`,
      end: () => {
        for (const to of others) world.network.delay(from, to, 0);
      },
    };
  },
};

/** Answers come seconds late, then nothing comes any more, neither from the API nor from peers. */
const slowThenCut: Fault = {
  name: "slow-then-cut",
  lengthMs: [9_000, 16_000],
  aftermathMs: 10_000,
  begin: (world, random) => {
    const leader = leaderOf(world);
    if (leader === null) return null;
    const { address } = leader.machine;
    const ends: (() => void)[] = [];
    world.network.delay(API_ADDRESS, address, random.between(1_200, 3_000));
    world.clock.after(random.between(2_500, 5_000), () => {
      world.log("fault", `${leader.label} is cut off`);
      const others = [API_ADDRESS, ...othersOf(world, leader.machine)];
      ends.push(
        cutPairs(
          world,
          others.flatMap((other) => bothWays(address, other)),
        ),
      );
    });
    return {
      who: [leader.name, "api"],
      words: `answers of the API come late to ${leader.label}, then it is cut off`,
      end: () => {
        world.network.delay(API_ADDRESS, address, 0);
        for (const end of ends) end();
      },
    };
  },
};

/** The leader lives on promises; then its peers are gone too. */
const failsafeThenCut: Fault = {
  name: "failsafe-then-cut",
  lengthMs: [14_000, 22_000],
  aftermathMs: 10_000,
  begin: (world, random) => {
    const leader = leaderOf(world);
    if (leader === null) return null;
    const { address } = leader.machine;
    const ends = [cutPairs(world, bothWays(address, API_ADDRESS))];
    world.clock.after(random.between(6_000, 9_000), () => {
      world.log("fault", `${leader.label} is cut off from its peers too`);
      const others = othersOf(world, leader.machine);
      ends.push(
        cutPairs(
          world,
          others.flatMap((other) => bothWays(address, other)),
        ),
      );
    });
    return {
      who: [leader.name, "api"],
      words: `${leader.label} loses the API, later its peers`,
      end: () => {
        for (const end of ends) end();
      },
    };
  },
};

/** An old Lease that names another live member is restored while the leader cannot see it. */
const restoreUnseen: Fault = {
  name: "lease-restore-unseen",
  lengthMs: [3_000, 8_000],
  aftermathMs: 10_000,
  begin: (world, random) => {
    const leader = leaderOf(world);
    const living = new Set(world.livePods().map((pod) => pod.sidecar?.identity));
    living.delete(leader?.sidecar?.identity);
    const old = world.store.oldLeases.filter((record) => living.has(record.holder ?? ""));
    if (leader === null || old.length === 0) return null;
    const record = random.pick(old);
    const { address } = leader.machine;
    // Unseen by its peers too, most of the time: nobody promises it anything.
    const others = random.chance(0.75) ? othersOf(world, leader.machine) : [];
    const end = cutPairs(
      world,
      [API_ADDRESS, ...others].flatMap((other) => bothWays(address, other)),
    );
    world.clock.after(random.between(1, 300), () => world.store.editLease(record));
    return {
      who: [leader.name, "api"],
      words: `an old Lease of ${record.holder ?? "?"} is restored, unseen by ${leader.label}`,
      end,
    };
  },
};

/** SIGTERM reaches the sidecar while a script keeps its Redis from being demoted. */
const termWhileBusy: Fault = {
  name: "sigterm-while-busy",
  lengthMs: [5_000, 9_000],
  aftermathMs: 60_000,
  begin: (world, random) => {
    const leader = leaderOf(world);
    const redis = leader?.redis;
    if (leader === null || !redis?.isRunning() || redis.role !== "primary") return null;
    const { id } = world.ledger.open("direct");
    const lengthMs = random.between(3_000, 6_000);
    const write = { id, bytes: 80, waitMs: 0, connection: null, answer: () => undefined };
    redis.runScript(lengthMs, write);
    world.clock.after(random.between(1_100, 2_000), () =>
      leader.sidecar?.dispatch({ type: "terminate" }),
    );
    return { who: [leader.name], words: `SIGTERM to ${leader.label} while a script runs` };
  },
};

/**
 * Power goes at two members, one of which comes back without the last second of its AOF; the
 * third lags behind what the other two had, but not behind what is left of it.
 */
const lostTails: Fault = {
  name: "lost-tails",
  lengthMs: [14_000, 20_000],
  aftermathMs: 10_000,
  begin: (world, random) => {
    const leader = leaderOf(world);
    const others = world.livePods().filter((pod) => pod !== leader);
    const [tail, third] = others;
    if (leader === null || tail === undefined || third === undefined) return null;
    const pods = [leader, tail];
    const [from, to] = [leader.machine.address, third.machine.address];
    world.network.delay(from, to, random.between(100, 700));
    let isOver = false;
    world.clock.after(2_500, () => {
      if (isOver) return;
      world.log("fault", `power loss of ${leader.label} and ${tail.label}`);
      for (const pod of pods) world.kubelet.powerOff(pod.machine);
      world.network.delay(from, to, 0);
      world.clock.after(random.between(500, 3_000), () => {
        if (!isOver) world.kubelet.powerOn(tail.machine);
      });
    });
    return {
      who: pods.map((pod) => pod.name),
      isLocal: true,
      words: `${third.label} lags a little, then ${leader.label} and ${tail.label} lose power`,
      end: () => {
        isOver = true;
        world.network.delay(from, to, 0);
        for (const pod of pods) if (!pod.machine.powered) world.kubelet.powerOn(pod.machine);
      },
    };
  },
};

export const SEQUENCE_FAULTS: readonly Fault[] = [
  cleanStop,
  lateBytes,
  slowThenCut,
  failsafeThenCut,
  restoreUnseen,
  termWhileBusy,
  lostTails,
];
