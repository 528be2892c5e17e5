/** What people and other controllers do: requests, deletions, edits, restores, new settings. */
import type { LeaseRecord } from "@leasehold/election";
import type { Random } from "../../random.ts";
import { API_ADDRESS } from "../api/server.ts";
import { Segment } from "../redis/history.ts";
import type { World } from "../world.ts";
import { instant, leaderOf, pickPod, type Effect, type Fault } from "./fault.ts";
import { bothWays, cutPairs, othersOf } from "./node-faults.ts";

const CHANGE_MS = 8_000;

function request(world: World, random: Random): Effect | null {
  const { control } = world.store;
  if (control.request !== null) return null;
  const pods = world.livePods();
  const to = pods.length > 0 && random.chance(0.5) ? random.pick(pods).name : null;
  const id = `q${world.clock.nowMs.toFixed(0)}`;
  world.store.setControl({ ...control, request: { id, kind: "switchover", to, force: false } });
  return { who: [], words: `request ${id}: switchover to ${to ?? "any"}` };
}

/** `failover --force`: an operator takes the loss. */
function forceFailover(world: World, random: Random): Effect | null {
  const { control } = world.store;
  const pods = world.livePods();
  if (control.request !== null || pods.length === 0) return null;
  const to = random.pick(pods).name;
  const id = `f${world.clock.nowMs.toFixed(0)}`;
  world.store.setControl({ ...control, request: { id, kind: "failover", to, force: true } });
  // Whoever is promoted by it may lack anything: nobody's loss is judged for a while.
  const who = ["api", ...pods.map((pod) => pod.name)];
  return { who, words: `request ${id}: failover to ${to}, forced` };
}

function editLease(
  name: string,
  edit: (record: LeaseRecord, world: World, random: Random) => [LeaseRecord, string] | null,
): Fault {
  return instant(name, CHANGE_MS, (world, random) => {
    const record = world.store.lease?.record;
    if (record === undefined) return null;
    const edited = edit(record, world, random);
    if (edited === null) return null;
    world.store.editLease(edited[0]);
    return { who: ["api"], words: edited[1] };
  });
}

const podDelete = instant("pod-delete", 20_000, (world, random) => {
  const pod = pickPod(world, random);
  if (pod === null) return null;
  const graceMs = random.pick([10_000, 20_000, 30_000]);
  world.kubelet.deletePod(pod, graceMs);
  return { who: [pod.name], words: `${pod.label} is deleted, grace ${graceMs / 1_000} s` };
});

const containerStop = instant("container-stop", 25_000, (world, random) => {
  const pod = pickPod(world, random);
  if (pod === null || pod.terminating || !pod.guard?.alive) return null;
  world.kubelet.stopContainer(pod);
  return { who: [pod.name], words: `the container of Redis in ${pod.label} is to start anew` };
});

/** Cut off from the API, force-deleted, and started anew on another node. */
const twin: Fault = {
  name: "twin",
  lengthMs: [4_000, 15_000],
  aftermathMs: 15_000,
  begin: (world, random) => {
    const pod = pickPod(world, random);
    const spare = world.machines.find(
      (machine) => world.podsOn(machine).length === 0 && machine.powered,
    );
    if (pod === null || spare === undefined) return null;
    const others = random.chance(0.5) ? othersOf(world, pod.machine) : [];
    const pairs = [API_ADDRESS, ...others].flatMap((to) => bothWays(pod.machine.address, to));
    const heal = cutPairs(world, pairs);
    pod.isDisowned = true;
    world.kubelet.forceDelete(pod);
    const volume = pod.volume.copy();
    const isEmpty = random.chance(0.4);
    if (isEmpty) volume.wipe(true);
    const { ordinal } = pod.spec;
    world.clock.after(random.between(200, 2_000), () =>
      world.kubelet.createPod(ordinal, spare, volume),
    );
    return {
      who: [pod.name, "api"],
      words: `${pod.label} is cut off, force-deleted and replaced${isEmpty ? ", empty" : ""}`,
      end: heal,
    };
  },
};

const pause: Fault = {
  name: "pause-mode",
  lengthMs: [1_000, 10_000],
  aftermathMs: CHANGE_MS,
  begin: (world) => {
    world.store.setControl({ ...world.store.control, paused: true });
    return {
      who: [],
      words: "pause mode",
      end: () => world.store.setControl({ ...world.store.control, paused: false }),
    };
  },
};

const leaseDelete = instant("lease-delete", CHANGE_MS, (world) => {
  if (world.store.lease === null) return null;
  world.store.deleteLease();
  return { who: ["api"], words: "the Lease is deleted" };
});

const leaseRestore = editLease("lease-restore", (_record, world, random) => {
  if (world.store.oldLeases.length === 0) return null;
  const old = random.pick(world.store.oldLeases);
  return [old, `an old Lease is restored: ${old.holder ?? "nobody"}, epoch ${old.epoch}`];
});

const leaseStranger = editLease("lease-stranger", (record) => [
  { ...record, holder: "somebody-else", attempt: null, handover: null },
  "the Lease is taken by somebody else's elector",
]);

const leaseShort = editLease("lease-short", (record) => [
  { ...record, durationMs: 1_000 },
  "the duration in the Lease is edited to 1 s",
]);

const leaseTouched = editLease("lease-touched", (record) => [
  { ...record, transitions: record.transitions + 1 },
  "a field of the Lease is edited",
]);

const sliceEdit = instant("slice-edit", CHANGE_MS, (world, random) => {
  const { slice } = world.store;
  if (slice === null) return null;
  const words = random.weighted<string>([
    [1, "deleted"],
    [1, "emptied"],
    [1, "edited to epoch + 900"],
    [1, "pointed elsewhere"],
  ]);
  if (words === "deleted") world.store.editSlice(null);
  if (words === "emptied") world.store.editSlice({ ...slice, address: null });
  if (words === "edited to epoch + 900") {
    world.store.editSlice({ ...slice, epoch: slice.epoch + 900 });
  }
  if (words === "pointed elsewhere" && world.livePods().length > 0) {
    const address = random.pick(world.livePods()).redisAddress;
    world.store.editSlice({ ...slice, address });
  }
  return { who: ["api"], words: `the slice is ${words}` };
});

/**
 * A backup of another group on the volume of a member whose Redis is down. Only an RDB tells whose
 * it is: an AOF says nothing, so nobody can notice there.
 */
const foreignRestore = instant("foreign-restore", 15_000, (world, random) => {
  if (world.options.mode !== "rdb") return null;
  const leader = leaderOf(world);
  const pods = world.livePods().filter((pod) => pod !== leader && pod.redis?.alive);
  if (pods.length === 0) return null;
  const pod = random.pick(pods);
  const segment = new Segment(null, 0, true);
  for (let i = 1; i <= 50; i += 1) segment.push(i * 10_000, true);
  const head = { segment, length: segment.length };
  pod.redis?.end("exit");
  pod.volume.plant({ head, replid: random.hex(12), offset: 500_000 });
  return { who: [pod.name], words: `${pod.label} restarts on another group's data` };
});

/** Another profile for everybody; each process reads it when it gets to it. */
const reconfigure = instant("reconfigure", CHANGE_MS, (world, random) => {
  const isFast = world.memberConfig.leaseDurationMs === 5_000;
  const config = {
    ...world.memberConfig,
    leaseDurationMs: isFast ? 15_000 : 5_000,
    renewIntervalMs: isFast ? 5_000 : 1_000,
  };
  world.memberConfig = config;
  for (const pod of world.livePods()) {
    world.clock.after(random.between(0, 4_000), () =>
      pod.sidecar?.post(() => {
        if (pod.sidecar) pod.sidecar.config = world.memberConfig;
      }),
    );
  }
  return { who: ["api"], words: `D becomes ${config.leaseDurationMs / 1_000} s` };
});

const scale = instant("scale", 15_000, (world) => {
  const spare = world.machines.find(
    (machine) => world.podsOn(machine).length === 0 && machine.powered,
  );
  const replicas = world.store.replicas;
  if (spare === undefined || replicas > world.options.members) return null;
  world.store.setReplicas(replicas + 1);
  world.kubelet.addMember(replicas, spare);
  return { who: [world.memberName(replicas)], words: `scaled to ${replicas + 1} members` };
});

/** The highest ordinal goes; its volume stays behind. */
const scaleDown = instant("scale-down", 20_000, (world) => {
  const replicas = world.store.replicas - 1;
  const pod = world.livePods().find((one) => one.spec.ordinal === replicas);
  if (replicas < 2 || pod === undefined) return null;
  world.store.setReplicas(replicas);
  world.clock.after(50, () => world.kubelet.deletePod(pod, 20_000));
  return { who: [pod.name], words: `scaled down to ${replicas} members` };
});

export const OPERATOR_FAULTS: readonly Fault[] = [
  instant("switchover", 3_000, request),
  podDelete,
  containerStop,
  twin,
  pause,
  leaseDelete,
  leaseRestore,
  leaseStranger,
  leaseShort,
  leaseTouched,
  sliceEdit,
  foreignRestore,
  reconfigure,
  scale,
  scaleDown,
  instant("force-failover", 12_000, forceFailover),
];
