/**
 * Kubernetes around the pods: kubelets that restart containers and stop pods in order, and the
 * StatefulSet that fills a missing ordinal. A kubelet that cannot reach the API neither learns of
 * a deletion nor tells what runs.
 */
import { API_ADDRESS } from "../api/server.ts";
import type { Machine } from "../machine.ts";
import { Volume } from "../redis/volume.ts";
import type { World } from "../world.ts";
import { Pod } from "./pod.ts";

/** What the hook leaves for Redis' own shutdown and the sidecar's end. */
const HOOK_RESERVE_MS = 6_000;
const CONTAINER_HOOK_MS = 20_000;

export class Kubelet {
  private readonly world: World;
  private created = 0;

  constructor(world: World) {
    this.world = world;
  }

  createPod(ordinal: number, machine: Machine, volume: Volume): Pod {
    this.created += 1;
    const { world } = this;
    const name = world.memberName(ordinal);
    const pod = new Pod(world, {
      name,
      ordinal,
      uid: `u${this.created}`,
      machine,
      volume,
      revision: world.store.updateRevision,
      label: `${name}#${this.created}`,
    });
    world.pods.push(pod);
    this.startContainers(pod);
    return pod;
  }

  /** A further ordinal with an empty volume. */
  addMember(ordinal: number, machine: Machine): void {
    const { clock, random, options } = this.world;
    clock.after(random.between(200, 1_500), () => {
      if (!this.isThere(ordinal)) this.createPod(ordinal, machine, new Volume(options.mode));
    });
  }

  /** A StatefulSet waits for the end of an ordinal's pod, and creates one in its place. */
  private isThere(ordinal: number): boolean {
    return this.world.pods.some(
      (pod) => pod.spec.ordinal === ordinal && !pod.gone && !pod.isDisowned,
    );
  }

  containerEnded(pod: Pod, container: "redis" | "sidecar"): void {
    const { clock, random } = this.world;
    if (pod.gone) return;
    if (pod.terminating) {
      this.continueStop(pod, container);
      return;
    }
    clock.after(random.between(200, 1_500), () => {
      if (container === "redis") pod.startGuard();
      else pod.startSidecar();
    });
  }

  /** `kubectl delete pod`, an eviction, a rollout. */
  deletePod(pod: Pod, graceMs: number): void {
    if (pod.terminating || pod.gone) return;
    pod.terminating = true;
    pod.graceMs = graceMs;
    this.world.store.setPod(pod.observation());
    this.whenReachable(pod, () => this.stop(pod, graceMs));
  }

  /** A startup probe that failed, or a container changed in place: the hook runs, the pod stays. */
  stopContainer(pod: Pod): void {
    const { clock } = this.world;
    const untilMs = clock.nowMs + CONTAINER_HOOK_MS;
    pod.tmpfs.stopRequested = true;
    const hook = (): void => {
      if (pod.gone || pod.terminating || !pod.guard?.alive) return;
      if (pod.tmpfs.stopped || clock.nowMs >= untilMs) pod.guard.terminate();
      else clock.after(50, hook);
    };
    hook();
  }

  /** The object goes at once; the processes when their kubelet hears of it. */
  forceDelete(pod: Pod): void {
    if (pod.gone) return;
    pod.terminating = true;
    this.world.store.removePod(pod.spec.uid);
    this.whenReachable(pod, () => {
      this.world.clock.after(this.world.random.between(100, 1_500), () => pod.end("kill"));
    });
  }

  /** `keepsFiles`: all that was written had reached its disk. */
  powerOff(machine: Machine, keepsFiles = false): void {
    machine.powerOff();
    for (const pod of this.world.podsOn(machine)) {
      pod.end("power");
      if (!keepsFiles) pod.volume.losePower(this.world.clock.nowMs, this.world.random);
    }
  }

  powerOn(machine: Machine): void {
    machine.powerOn();
    for (const pod of this.world.podsOn(machine)) {
      if (pod.gone) continue;
      pod.rebooted();
      // A kubelet that comes back to a pod under deletion starts none of its containers.
      if (pod.terminating) this.whenReachable(pod, () => this.finishStop(pod));
      else this.startContainers(pod);
    }
  }

  private startContainers(pod: Pod): void {
    const { clock, random } = this.world;
    this.whenReachable(pod, () => this.world.store.setPod(pod.observation()));
    clock.after(random.between(5, 400), () => pod.startGuard());
    clock.after(random.between(5, 400), () => pod.startSidecar());
  }

  private stop(pod: Pod, graceMs: number): void {
    const { clock } = this.world;
    const untilMs = clock.nowMs + graceMs;
    const hookUntilMs = untilMs - Math.min(HOOK_RESERVE_MS, graceMs / 2);
    pod.tmpfs.stopRequested = true;
    clock.after(graceMs, () => this.finishStop(pod));
    const hook = (): void => {
      if (pod.gone) return;
      if (pod.tmpfs.stopped || clock.nowMs >= hookUntilMs || !pod.guard?.alive) {
        if (pod.guard?.alive) pod.guard.terminate();
        else this.continueStop(pod, "redis");
        return;
      }
      clock.after(50, hook);
    };
    hook();
  }

  private continueStop(pod: Pod, ended: "redis" | "sidecar"): void {
    const { clock, random } = this.world;
    if (ended === "sidecar") {
      if (!pod.guard?.alive) this.finishStop(pod);
      else clock.after(random.between(200, 1_000), () => pod.startSidecar());
      return;
    }
    if (!pod.sidecar?.alive) {
      this.finishStop(pod);
      return;
    }
    clock.after(random.between(5, 40), () => pod.sidecar?.dispatch({ type: "terminate" }));
  }

  /** A node without power finishes nothing: `powerOn` does. */
  private finishStop(pod: Pod): void {
    if (pod.gone || !pod.machine.powered) return;
    const { clock, random, store } = this.world;
    pod.end("kill");
    this.whenReachable(pod, () => {
      store.setPod(pod.observation());
      clock.after(random.between(20, 400), () => store.removePod(pod.spec.uid));
      clock.after(random.between(400, 1_800), () => this.fill(pod));
    });
  }

  /** The StatefulSet's controller: one pod for each ordinal below `replicas`. */
  private fill(pod: Pod): void {
    const { ordinal, machine, volume } = pod.spec;
    if (ordinal >= this.world.store.replicas || this.isThere(ordinal)) return;
    this.createPod(ordinal, machine, volume);
  }

  private whenReachable(pod: Pod, run: () => void): void {
    const { clock, network, random } = this.world;
    const isAway =
      !network.isLinked(pod.machine.address, API_ADDRESS) ||
      pod.machine.frozen ||
      !pod.machine.powered;
    if (isAway) clock.after(200, () => this.whenReachable(pod, run));
    else clock.after(random.between(2, 40), run);
  }
}
