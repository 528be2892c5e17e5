/**
 * The way to the API server and back, with all that happens on it: requests that are lost, kept
 * and committed seconds later, executed but answered with an error or not at all; watches that
 * fall silent, come late or twice.
 */
import type { Random } from "../../random.ts";
import type { VirtualClock } from "../../virtual-clock.ts";
import type { Network } from "../network.ts";
import type { ObjectKind, WatchEvent } from "./store.ts";

/** Network index of the API server. */
export const API_ADDRESS = 0;
const REOPEN_MS = 2_000;
const RELIST_MS = 15_000;

/** How the API server treats requests while a fault lasts. */
export type ApiFault = "hang" | "refuse" | "error" | "throttle" | "slow" | "lossy";

export interface ApiFailure {
  readonly failed: true;
  readonly status: number | null;
  readonly message: string;
}

export interface ApiCall<T> {
  /** Runs at the server, at most once. */
  execute(): T;
  answered(answer: T | ApiFailure): void;
  readonly deadlineMs: number;
}

export interface WatchListener {
  changed(event: WatchEvent): void;
}

export class Watch {
  isOpen = true;
  /** Nothing comes through, and nobody notices. */
  isSilent = false;
  /** It ended; reopened at the next try that succeeds. */
  isBroken = false;
  nextArrivalMs = 0;
  readonly address: number;
  readonly listener: WatchListener;

  constructor(address: number, listener: WatchListener) {
    this.address = address;
    this.listener = listener;
  }
}

export class ApiServer {
  /** Adds to each delivery of a watch. */
  watchDelayMs = 0;
  /** Chance that a watch delivers twice. */
  watchDuplicates = 0;
  private readonly clock: VirtualClock;
  private readonly random: Random;
  private readonly network: Network;
  private readonly watches = new Set<Watch>();
  /** By network address; `API_ADDRESS` stands for everybody. */
  private readonly faults = new Map<number, ApiFault>();
  private readonly holds = new Map<number, number>();
  private waiting: (() => void)[] = [];
  private readonly observe: (kind: ObjectKind) => WatchEvent;

  constructor(
    world: { readonly clock: VirtualClock; readonly random: Random; readonly network: Network },
    observe: (kind: ObjectKind) => WatchEvent,
  ) {
    this.clock = world.clock;
    this.random = world.random;
    this.network = world.network;
    this.observe = observe;
  }

  setFault(address: number, fault: ApiFault | null): void {
    if (fault !== null) {
      this.faults.set(address, fault);
      if (fault === "hang" || fault === "refuse") this.breakWatches(address);
      return;
    }
    this.faults.delete(address);
    const { waiting } = this;
    this.waiting = [];
    for (const run of waiting) this.clock.after(this.random.between(0, 2_000), run);
  }

  /** The next request from there waits so long before it is executed. */
  holdNext(address: number, heldMs: number): void {
    this.holds.set(address, heldMs);
  }

  isAvailableTo(address: number): boolean {
    const isCut = !this.network.isLinked(address, API_ADDRESS);
    return this.faultOf(address) === null && !isCut;
  }

  call<T>(from: number, call: ApiCall<T>): void {
    let isDone = false;
    const finish = (answer: T | ApiFailure): void => {
      if (isDone) return;
      isDone = true;
      this.clock.cancel(timer);
      call.answered(answer);
    };
    const timer = this.clock.after(call.deadlineMs, () =>
      finish({ failed: true, status: null, message: `no answer in ${call.deadlineMs} ms` }),
    );
    this.network.send(from, API_ADDRESS, () => this.arrive(from, call, finish));
  }

  watch(address: number, listener: WatchListener): Watch {
    const watch = new Watch(address, listener);
    watch.isBroken = true;
    this.watches.add(watch);
    this.clock.after(this.random.between(5, 30), () => this.reopen(watch));
    this.clock.after(RELIST_MS, () => this.relist(watch));
    return watch;
  }

  unwatch(watch: Watch): void {
    watch.isOpen = false;
    this.watches.delete(watch);
  }

  watchesOf(address: number): Watch[] {
    return [...this.watches].filter((watch) => watch.address === address);
  }

  notify(kind: ObjectKind): void {
    for (const watch of this.watches) {
      if (watch.isSilent || watch.isBroken) continue;
      if (!this.network.isOpen(API_ADDRESS, watch.address)) {
        watch.isBroken = true;
        continue;
      }
      this.deliver(watch, kind);
      if (this.random.chance(this.watchDuplicates)) this.deliver(watch, kind);
    }
  }

  private faultOf(address: number): ApiFault | null {
    if (this.faults.size === 0) return null;
    return this.faults.get(API_ADDRESS) ?? this.faults.get(address) ?? null;
  }

  private arrive<T>(
    from: number,
    call: ApiCall<T>,
    finish: (answer: T | ApiFailure) => void,
  ): void {
    const reply = (answer: T | ApiFailure): void =>
      this.network.send(API_ADDRESS, from, () => finish(answer));
    const { random, clock } = this;
    const heldMs = this.holds.get(from);
    if (heldMs !== undefined) {
      this.holds.delete(from);
      clock.after(heldMs, () => reply(call.execute()));
      return;
    }
    switch (this.faultOf(from)) {
      case null:
        clock.after(1 + random.exponential(2.5), () => reply(call.execute()));
        return;
      case "hang":
        // Some requests sit in a queue and are executed when nobody expects it any more.
        if (random.chance(0.25)) this.waiting.push(() => reply(call.execute()));
        else if (random.chance(0.15)) clock.after(random.between(300, 6_000), () => call.execute());
        return;
      case "refuse":
        reply({ failed: true, status: null, message: "connection refused" });
        return;
      case "error":
        if (random.chance(0.15)) call.execute();
        clock.after(2, () => reply({ failed: true, status: 500, message: "etcd: leader changed" }));
        return;
      case "throttle":
        reply({ failed: true, status: 429, message: "too many requests" });
        return;
      case "slow":
        clock.after(random.between(150, 1_600), () => {
          const answer = call.execute();
          clock.after(random.between(50, 1_600), () => reply(answer));
        });
        return;
      case "lossy":
        this.arriveLossy(call, reply);
    }
  }

  private arriveLossy<T>(call: ApiCall<T>, reply: (answer: T | ApiFailure) => void): void {
    const { random, clock } = this;
    const fate = random.weighted<"ok" | "lost" | "unanswered" | "late">([
      [0.5, "ok"],
      [0.2, "lost"],
      [0.2, "unanswered"],
      [0.1, "late"],
    ]);
    if (fate === "lost") return;
    const delayMs = fate === "late" ? random.between(500, 6_000) : random.between(1, 40);
    clock.after(delayMs, () => {
      const answer = call.execute();
      if (fate !== "unanswered") reply(answer);
    });
  }

  private deliver(watch: Watch, kind: ObjectKind): void {
    const base = 0.5 + this.random.exponential(1.5);
    const dueMs = this.clock.nowMs + base + this.watchDelayMs * this.random.unit();
    watch.nextArrivalMs = Math.max(watch.nextArrivalMs, dueMs);
    const event = this.observe(kind);
    this.clock.after(watch.nextArrivalMs - this.clock.nowMs, () => {
      if (watch.isOpen && !watch.isSilent) watch.listener.changed(event);
    });
  }

  private breakWatches(address: number): void {
    for (const watch of this.watches) {
      if (address === API_ADDRESS || watch.address === address) watch.isBroken = true;
    }
  }

  /** Lists anew what may have been missed, as soon as the server answers. */
  private reopen(watch: Watch): void {
    if (!watch.isOpen) return;
    const isAway = !this.isAvailableTo(watch.address) && this.faultOf(watch.address) !== "slow";
    if (watch.isBroken && !isAway && !watch.isSilent) {
      watch.isBroken = false;
      for (const kind of ["lease", "pods", "slice", "control"] as const) this.deliver(watch, kind);
    }
    this.clock.after(REOPEN_MS, () => this.reopen(watch));
  }

  private relist(watch: Watch): void {
    if (!watch.isOpen) return;
    if (this.isAvailableTo(watch.address) && !watch.isSilent) {
      for (const kind of ["pods", "slice", "control"] as const) this.deliver(watch, kind);
    }
    this.clock.after(RELIST_MS, () => this.relist(watch));
  }
}
