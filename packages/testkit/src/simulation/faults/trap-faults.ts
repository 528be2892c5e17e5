/**
 * Trouble that waits for its moment: it strikes when a member takes a certain step, where chance
 * alone would need thousands of seeds to hit the same millisecond.
 */
import type { Action } from "@leasehold/replication";
import { API_ADDRESS } from "../api/server.ts";
import type { Pod } from "../pod/pod.ts";
import type { Sidecar } from "../pod/sidecar.ts";
import type { RedisServer } from "../redis/server.ts";
import type { World } from "../world.ts";
import { leaderOf, type Effect, type Fault } from "./fault.ts";
import { bothWays, cutPairs, othersOf } from "./node-faults.ts";

/** What the world calls on certain steps; may change it from the next instant on only. */
export interface Trap {
  decided?(sidecar: Sidecar, actions: readonly Action[]): void;
  paused?(pod: Pod): void;
}

type LeaseAction = Extract<Action, { readonly type: "writeLease" }>;

function leaseWriteIn(actions: readonly Action[]): LeaseAction | null {
  for (const action of actions) if (action.type === "writeLease") return action;
  return null;
}

function requestSwitchover(world: World): void {
  const { control } = world.store;
  if (control.request !== null) return;
  const id = `t${world.clock.nowMs.toFixed(0)}`;
  world.store.setControl({
    ...control,
    request: { id, kind: "switchover", to: null, force: false },
  });
}

/** Sets a trap and removes it with the fault. */
function trapped(
  world: World,
  trap: Trap,
  effect: Omit<Effect, "end"> & { readonly ends?: (() => void)[] },
): Effect {
  world.traps.add(trap);
  return {
    who: effect.who,
    words: effect.words,
    end: () => {
      world.traps.delete(trap);
      for (const end of effect.ends ?? []) end();
    },
  };
}

/** The API goes away the moment a hand-over is sent. */
const handoverIntoOutage: Fault = {
  name: "handover-into-outage",
  lengthMs: [3_000, 14_000],
  aftermathMs: 8_000,
  begin: (world, random) => {
    const ends: (() => void)[] = [];
    const trap: Trap = {
      decided: (sidecar, actions) => {
        if (!leaseWriteIn(actions)?.write.record.handover || ends.length > 0) return;
        const isForAll = random.chance(0.6);
        const address = isForAll ? API_ADDRESS : sidecar.pod.machine.address;
        world.log("fault", `API hangs for ${isForAll ? "all" : sidecar.pod.label}: hand-over sent`);
        world.api.setFault(address, "hang");
        ends.push(() => world.api.setFault(address, null));
      },
    };
    requestSwitchover(world);
    const who = ["api", ...world.livePods().map((pod) => pod.name)];
    return trapped(world, trap, { who, words: "a switchover into an API outage", ends });
  },
};

/** A member joins the list; the answer is lost, and its leader loses the API. */
function joinIntoCut(name: string, crashes: boolean): Fault {
  return {
    name,
    lengthMs: [12_000, 25_000],
    aftermathMs: 10_000,
    begin: (world, random) => {
      const spare = world.machines.find(
        (machine) => world.podsOn(machine).length === 0 && machine.powered,
      );
      const { replicas } = world.store;
      if (spare === undefined || replicas > world.options.members) return null;
      const ends: (() => void)[] = [];
      const trap: Trap = {
        decided: (sidecar, actions) => {
          const write = leaseWriteIn(actions);
          const joins = write !== null && world.memberName(replicas) in write.write.record.members;
          if (!joins || ends.length > 0) return;
          const { address } = sidecar.pod.machine;
          ends.push(cutPairs(world, [[API_ADDRESS, address]]));
          world.clock.after(5, () => ends.push(cutPairs(world, [[address, API_ADDRESS]])));
          world.log("fault", `${sidecar.pod.label} loses the API: its list grows`);
          if (!crashes) return;
          world.clock.after(random.between(50, 1_500), () => {
            if (!sidecar.alive) return;
            sidecar.end();
            sidecar.pod.sidecarEnded();
          });
        },
      };
      world.store.setReplicas(replicas + 1);
      world.kubelet.addMember(replicas, spare);
      const who = ["api", ...world.livePods().map((pod) => pod.name)];
      return trapped(world, trap, { who, words: "a member joins into a cut", ends });
    },
  };
}

/**
 * Somebody lifts the pause of a switchover just before the demotion, and the bytes of what is
 * accepted then come late: one lost segment takes 200 ms.
 */
const unpausingClient: Fault = {
  name: "unpausing-client",
  lengthMs: [3_000, 15_000],
  aftermathMs: 1_000,
  begin: (world, random) => {
    const lift = (redis: RedisServer | null, delayMs: number): void => {
      // The pause of a fresh promotion is ours alone: the default ACL denies UNPAUSE.
      if (redis === null || !redis.writes.hasAccepted) return;
      world.clock.after(delayMs, () => {
        const isOpen = redis.isRunning() && redis.role === "primary";
        if (isOpen && redis.writes.hasAccepted) redis.writes.unpause();
      });
    };
    const trap: Trap = {
      paused: ({ redis }) => {
        if (random.chance(0.2)) lift(redis, random.between(0.2, 6));
      },
      decided: ({ pod }, actions) => {
        if (!actions.some((action) => isDemotion(action))) return;
        lift(pod.redis, 0.05);
        delayStream(world, pod, random.between(5, 150));
      },
    };
    return trapped(world, trap, { who: [], words: "a client lifts every pause" });
  },
};

function delayStream(world: World, pod: Pod, extraMs: number): void {
  const from = pod.machine.address;
  const others = othersOf(world, pod.machine);
  for (const to of others) world.network.delay(from, to, extraMs);
  world.clock.after(400, () => {
    for (const to of others) world.network.delay(from, to, 0);
  });
}

function isDemotion(action: Action): boolean {
  return action.type === "redisRole" && action.command.kind === "demote";
}

/** Redis stops just as it is told to become primary; then its leader loses the Lease, or crashes. */
function promotionStops(
  name: string,
  stopsMs: readonly [number, number],
  then: (world: World, sidecar: Sidecar) => void,
): Fault {
  return {
    name,
    lengthMs: [6_000, 15_000],
    aftermathMs: 60_000,
    begin: (world, random) => {
      const trap: Trap = {
        decided: (sidecar, actions) => {
          const { redis } = sidecar.pod;
          if (!actions.some((action) => isPromotion(action)) || redis === null) return;
          if (random.chance(0.3)) return;
          redis.stopped = true;
          world.log("fault", `SIGSTOP Redis of ${sidecar.pod.label}: it is promoted`);
          world.clock.after(random.between(30, 400), () => then(world, sidecar));
          world.clock.after(random.between(...stopsMs), () => {
            redis.stopped = false;
            redis.resumed();
          });
        },
      };
      requestSwitchover(world);
      const who = ["api", ...world.livePods().map((pod) => pod.name)];
      return trapped(world, trap, { who, words: "Redis stops when it is promoted" });
    },
  };
}

function isPromotion(action: Action): boolean {
  return action.type === "redisRole" && action.command.kind === "promote";
}

function takeLease(world: World): void {
  const record = world.store.lease?.record;
  if (record === undefined) return;
  world.log("fault", "the Lease is taken by somebody else's elector");
  world.store.editLease({ ...record, holder: "somebody-else", attempt: null, handover: null });
}

function crash(world: World, sidecar: Sidecar): void {
  if (!sidecar.alive) return;
  world.log("fault", `SIGKILL sidecar of ${sidecar.pod.label}`);
  sidecar.end();
  sidecar.pod.sidecarEnded();
}

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

/** D becomes shorter; the answer is lost, its leader cut off, and the others start anew. */
const shortenIntoCut: Fault = {
  name: "shorten-into-cut",
  lengthMs: [14_000, 20_000],
  aftermathMs: 10_000,
  begin: (world, random) => {
    const leader = leaderOf(world);
    if (leader?.sidecar == null || world.memberConfig.leaseDurationMs <= 5_000) return null;
    const ends: (() => void)[] = [];
    const trap: Trap = {
      decided: (sidecar, actions) => {
        const write = leaseWriteIn(actions)?.write;
        if (write?.record.durationMs !== 5_000 || ends.length > 0) return;
        const { address } = sidecar.pod.machine;
        const others = othersOf(world, sidecar.pod.machine);
        world.log("fault", `${sidecar.pod.label} is cut off: it renews with a shorter D`);
        ends.push(cutPairs(world, [[API_ADDRESS, address]]));
        ends.push(
          cutPairs(
            world,
            others.flatMap((other) => bothWays(address, other)),
          ),
        );
        world.clock.after(5, () => ends.push(cutPairs(world, [[address, API_ADDRESS]])));
        world.clock.after(random.between(20, 500), () =>
          restartSidecars(world, sidecar, random.chance(0.5)),
        );
      },
    };
    const config = { ...world.memberConfig, leaseDurationMs: 5_000, renewIntervalMs: 1_000 };
    world.memberConfig = config;
    for (const pod of world.livePods()) {
      pod.sidecar?.post(() => {
        if (pod.sidecar) pod.sidecar.config = config;
      });
    }
    const who = ["api", ...world.livePods().map((pod) => pod.name)];
    return trapped(world, trap, { who, words: "D is shortened into a cut", ends });
  },
};

function restartSidecars(world: World, leader: Sidecar, leaderToo: boolean): void {
  for (const { sidecar } of world.livePods()) {
    if (!sidecar?.alive || (sidecar === leader && !leaderToo)) continue;
    sidecar.end();
    // The leader's own does not come back in time: its guard is alone.
    if (sidecar === leader) world.clock.after(12_000, () => sidecar.pod.sidecarEnded());
    else sidecar.pod.sidecarEnded();
  }
}

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

/** A transfer that outlives its Lease: it arrives seconds later, just after a deletion. */
const transferOutlivesLease: Fault = {
  name: "transfer-outlives-lease",
  lengthMs: [6_000, 9_000],
  aftermathMs: 10_000,
  begin: (world, random) => {
    let isSet = true;
    const trap: Trap = {
      decided: (sidecar, actions) => {
        if (!isSet || !leaseWriteIn(actions)?.write.record.handover) return;
        isSet = false;
        const heldMs = random.between(2_000, 5_000);
        world.log("fault", `the hand-over of ${sidecar.pod.label} is held for a while`);
        world.api.holdNext(sidecar.pod.machine.address, heldMs);
        world.clock.after(heldMs - random.between(1, 12), () => {
          world.log("fault", "the Lease is deleted");
          world.store.deleteLease();
        });
      },
    };
    requestSwitchover(world);
    const who = ["api", ...world.livePods().map((pod) => pod.name)];
    return trapped(world, trap, { who, words: "a transfer is to outlive its Lease" });
  },
};

export const TRAP_FAULTS: readonly Fault[] = [
  handoverIntoOutage,
  joinIntoCut("join-into-cut", false),
  joinIntoCut("join-into-cut-and-crash", true),
  unpausingClient,
  promotionStops("promotion-stops", [300, 980], takeLease),
  promotionStops("promotion-stops-and-crash", [500, 2_600], crash),
  lostTails,
  cleanStop,
  lateBytes,
  slowThenCut,
  failsafeThenCut,
  restoreUnseen,
  shortenIntoCut,
  termWhileBusy,
  transferOutlivesLease,
];
