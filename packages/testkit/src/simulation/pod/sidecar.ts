/**
 * One process of the sidecar: the decision core with what feeds it.
 *
 * Events are handled one after the other, and only while the process runs: a stopped process, a
 * frozen node and a busy event loop let them wait. A process that has ended hears and does nothing
 * more, but what it sent is under way. Every event carries this machine's clocks, never true time.
 */
import {
  decide,
  initialState,
  nextWakeMs,
  reportOf,
  statusOf,
  type MemberConfig,
  type MemberEvent,
  type MemberEventBody,
  type MemberReport,
  type MemberState,
  type MemberStatus,
  type RedisObservation,
} from "@leasehold/replication";
import type { HandoverQuestion, PromiseAnswer, PromiseRequest } from "@leasehold/election";
import type { Watch, WatchListener } from "../api/server.ts";
import type { WatchEvent } from "../api/store.ts";
import { GUARD_STATUS_INTERVAL_MS, PROMISE_ANSWER_MS } from "../figures.ts";
import type { Timer } from "../../virtual-clock.ts";
import type { World } from "../world.ts";
import { perform } from "./perform.ts";
import type { Pod } from "./pod.ts";
import { RedisProbe } from "./probe.ts";
import { SourceAdmin } from "../source/admin.ts";
import { RoleConnection } from "./role-connection.ts";

const MAILBOX_MAX = 10_000;
const LAG_MS = 250;
/** An unchanged status of the guard is told again after so many looks. */
const GUARD_REPEAT = 5;

export class Sidecar implements WatchListener {
  readonly world: World;
  readonly pod: Pod;
  readonly nonce: string;
  readonly roles: RoleConnection;
  config: MemberConfig;
  alive = true;
  stopped = false;
  private lagUntilMs = 0;
  private state: MemberState;
  private readonly watch: Watch;
  readonly probe: RedisProbe;
  readonly source: SourceAdmin;
  private mailbox: (() => void)[] = [];
  private wake: Timer | null = null;
  private dueMs = Infinity;
  private toldGuard = "";
  private guardLooks = 0;
  private hasToldStop = false;
  private lastPromiseId = 0;
  private readonly promises = new Map<number, (answer: PromiseAnswer) => void>();
  private readonly handovers = new Map<number, (attempt: string | null) => void>();

  constructor(world: World, pod: Pod) {
    this.world = world;
    this.pod = pod;
    this.nonce = world.random.hex(6);
    this.config = world.memberConfig;
    this.roles = new RoleConnection(world, pod);
    this.state = initialState(
      {
        at: pod.machine.instant(),
        member: pod.name,
        podUid: pod.spec.uid,
        nonce: this.nonce,
        ordinal: pod.spec.ordinal,
        address: pod.redisAddress,
        peerPort: pod.peerPort,
        revision: pod.spec.revision,
        record: pod.volume.record,
        permit: pod.tmpfs.permit,
        guard: pod.tmpfs.guard,
      },
      this.config,
    );
    this.watch = world.api.watch(pod.machine.address, this);
    this.probe = new RedisProbe(this);
    this.source = new SourceAdmin(this);
    this.later(0.1, () => this.handle({ type: "tick" }));
    this.pollFiles();
  }

  get identity(): string {
    return `${this.pod.name}_${this.pod.spec.uid}_${this.nonce}`;
  }

  /** Its code runs now. */
  isRunning(): boolean {
    const isLate = this.lagUntilMs > this.world.clock.nowMs;
    return this.alive && !this.stopped && !isLate && !this.pod.machine.frozen;
  }

  /** Runs `work` in this process, once its event loop gets to it. */
  post(work: () => void): void {
    if (!this.alive) return;
    if (this.isRunning() && this.mailbox.length === 0) work();
    else if (this.mailbox.length < MAILBOX_MAX) this.mailbox.push(work);
  }

  dispatch(event: MemberEventBody): void {
    this.post(() => this.handle(event));
  }

  /** After `localMs` of this machine's time. */
  later(localMs: number, work: () => void): Timer {
    return this.world.clock.after(this.pod.machine.trueMs(localMs), () => this.post(work));
  }

  /** The event loop stands still for so long. */
  lag(lengthMs: number): void {
    this.lagUntilMs = this.world.clock.nowMs + lengthMs;
    this.world.clock.after(lengthMs, () => this.resumed());
  }

  resumed(): void {
    while (this.mailbox.length > 0 && this.isRunning()) this.mailbox.shift()?.();
  }

  /** SIGKILL, or its own end. */
  end(): void {
    if (!this.alive) return;
    this.alive = false;
    this.mailbox = [];
    this.world.api.unwatch(this.watch);
    this.world.clock.cancel(this.wake);
    this.probe.close();
    this.world.relayEnded(this.pod);
    this.world.judge.sidecarEnded(this);
  }

  report(): MemberReport {
    return reportOf(this.state, this.pod.machine.instant(), this.config);
  }

  status(): MemberStatus {
    return statusOf(this.state, this.pod.machine.instant(), this.config);
  }

  /** Asks the core for a promise; `answer` is called once, or never. */
  askPromise(request: PromiseRequest, answer: (answer: PromiseAnswer) => void): void {
    this.post(() => {
      this.lastPromiseId += 1;
      const requestId = this.lastPromiseId;
      this.promises.set(requestId, answer);
      this.later(PROMISE_ANSWER_MS, () => this.promises.delete(requestId));
      this.handle({ type: "promiseAsked", requestId, request });
    });
  }

  askHandover(question: HandoverQuestion, answer: (attempt: string | null) => void): void {
    this.post(() => {
      this.lastPromiseId += 1;
      const requestId = this.lastPromiseId;
      this.handovers.set(requestId, answer);
      this.later(PROMISE_ANSWER_MS, () => this.handovers.delete(requestId));
      this.handle({ type: "handoverAsked", requestId, question });
    });
  }

  answerHandover(requestId: number, attempt: string | null): void {
    const reply = this.handovers.get(requestId);
    this.handovers.delete(requestId);
    reply?.(attempt);
  }

  answerPromise(requestId: number, answer: PromiseAnswer): void {
    const reply = this.promises.get(requestId);
    this.promises.delete(requestId);
    reply?.(answer);
  }

  observeRedis(observation: RedisObservation): void {
    this.dispatch({ type: "redisObserved", observation });
  }

  changed(event: WatchEvent): void {
    switch (event.kind) {
      case "lease":
        return this.dispatch({ type: "leaseChanged", lease: event.lease });
      case "pods":
        return this.dispatch({ type: "podsObserved", pods: event.pods });
      case "slice":
        return this.dispatch({ type: "sliceObserved", slice: event.slice });
      case "control":
        return this.dispatch({ type: "controlObserved", control: event.control });
    }
  }

  private handle(body: MemberEventBody): void {
    if (!this.alive) return;
    const at = this.pod.machine.instant();
    if (at.monotonicMs - this.dueMs > LAG_MS && body.type !== "tick") this.decide({ type: "tick" });
    this.decide(body);
    if (this.alive) this.armWake();
  }

  private decide(body: MemberEventBody): void {
    const at = this.pod.machine.instant();
    const jitter = this.world.random.unit();
    const event = { ...body, at, jitter } as MemberEvent;
    this.dueMs = Infinity;
    const decision = decide(this.state, event, this.config);
    this.state = decision.state;
    this.world.judge.decided(this, event, decision.actions);
    for (const action of decision.actions) {
      if (!this.alive) return;
      perform(this, action);
    }
  }

  private armWake(): void {
    const at = this.pod.machine.instant();
    const waitMs = Math.ceil(Math.max(0, nextWakeMs(this.state, at, this.config)));
    this.world.clock.cancel(this.wake);
    this.dueMs = at.monotonicMs + waitMs;
    this.wake = this.later(waitMs, () => this.handle({ type: "tick" }));
  }

  /** The guard's status and the hook's wish, on the shared tmpfs. */
  private pollFiles(): void {
    if (!this.alive) return;
    const { guard, stopRequested } = this.pod.tmpfs;
    this.guardLooks += 1;
    const told = guard === null ? "" : `${guard.bootId} ${guard.state} ${guard.pid ?? ""}`;
    if (guard !== null && (told !== this.toldGuard || this.guardLooks % GUARD_REPEAT === 0)) {
      this.toldGuard = told;
      this.handle({ type: "guardObserved", guard });
    }
    if (stopRequested && !this.hasToldStop) this.handle({ type: "stopRequested" });
    this.hasToldStop = stopRequested;
    this.later(GUARD_STATUS_INTERVAL_MS, () => this.pollFiles());
  }
}
