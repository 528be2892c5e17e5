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
export function trapped(
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

/**
 * The successor accepted in advance: it sees the transfer at once or late, and what it sends to the
 * API from then on is lost, so that the others see nothing of its term. Nor may they hear of it.
 */
const acceptedIntoCut: Fault = {
  name: "accepted-into-cut",
  lengthMs: [6_000, 12_000],
  aftermathMs: 8_000,
  begin: (world, random) => {
    const ends: (() => void)[] = [];
    const frozenMs = random.chance(0.5) ? random.between(500, 3_500) : 0;
    const isAlone = random.chance(0.5);
    const trap: Trap = {
      decided: (_sidecar, actions) => {
        const handover = leaseWriteIn(actions)?.write.record.handover ?? null;
        if (handover?.accepted === undefined || ends.length > 0) return;
        const to = world.livePods().find(({ sidecar }) => sidecar?.identity === handover.to);
        if (to === undefined) return;
        const { address } = to.machine;
        const others = isAlone ? othersOf(world, to.machine) : [];
        const pairs = others.flatMap((other) => bothWays(address, other));
        ends.push(cutPairs(world, [[address, API_ADDRESS], ...pairs]));
        if (frozenMs > 0) freeze(world, to, frozenMs);
        world.log("fault", `${to.label} is not heard by the API: it has accepted the lead`);
      },
    };
    requestSwitchover(world);
    const who = ["api", ...world.livePods().map((pod) => pod.name)];
    return trapped(world, trap, { who, words: "an accepted hand-over into a cut", ends });
  },
};

function freeze(world: World, { sidecar }: Pod, ms: number): void {
  if (!sidecar) return;
  sidecar.stopped = true;
  world.clock.after(ms, () => {
    sidecar.stopped = false;
    sidecar.resumed();
  });
}

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
          world.clock.after(5, () => {
            // The fault may be over by then: what begins late would never end.
            if (world.traps.has(trap)) ends.push(cutPairs(world, [[address, API_ADDRESS]]));
          });
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

/** Redis stops as it is told to become primary; then its leader loses the Lease, or crashes. */
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
        world.clock.after(5, () => {
          // The fault may be over by then: what begins late would never end.
          if (world.traps.has(trap)) ends.push(cutPairs(world, [[address, API_ADDRESS]]));
        });
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

/** The leader's pod is deleted; nobody is near enough to take over, and its last second is cut. */
const stopWithLag: Fault = {
  name: "stop-with-lag",
  lengthMs: [20_000, 30_000],
  aftermathMs: 15_000,
  begin: (world, random) => {
    const leader = leaderOf(world);
    if (leader === null || leader.terminating) return null;
    const { address } = leader.machine;
    const others = othersOf(world, leader.machine);
    for (const other of others) world.network.delay(address, other, random.between(600, 1_000));
    const ends: (() => void)[] = [];
    const trap: Trap = {
      decided: (sidecar, actions) => {
        const stops = actions.some((action) => action.type === "reportStopped");
        if (!stops || sidecar.pod !== leader || ends.length > 0) return;
        world.log("fault", `${leader.label} is cut off from the others: it stops`);
        ends.push(
          cutPairs(
            world,
            others.flatMap((other) => bothWays(address, other)),
          ),
        );
      },
    };
    world.clock.after(random.between(1_200, 2_500), () => world.kubelet.deletePod(leader, 30_000));
    return trapped(world, trap, {
      who: [leader.name],
      words: `${leader.label} stops while the others lag a little`,
      ends: [
        () => {
          for (const other of others) world.network.delay(address, other, 0);
          for (const end of ends) end();
        },
      ],
    });
  },
};

export const TRAP_FAULTS: readonly Fault[] = [
  handoverIntoOutage,
  acceptedIntoCut,
  joinIntoCut("join-into-cut", false),
  joinIntoCut("join-into-cut-and-crash", true),
  unpausingClient,
  promotionStops("promotion-stops", [300, 980], takeLease),
  promotionStops("promotion-stops-and-crash", [500, 2_600], crash),
  shortenIntoCut,
  transferOutlivesLease,
  stopWithLag,
];
