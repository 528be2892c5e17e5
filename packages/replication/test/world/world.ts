/**
 * One member under test: its core, and around it an API, a Redis, a guard and peers that do what
 * a scenario says. Answers come at once unless the scenario holds them back. Nothing here decides
 * anything; what several real members do together is the simulation's business.
 */
import type { Instant, LeaseRecord, LineageEntry, VersionedLease } from "@leasehold/election";
import {
  decide,
  initialState,
  nextWakeMs,
  type Action,
  type ControlObservation,
  type GuardObservation,
  type MemberConfig,
  type MemberEventBody,
  type MemberRecord,
  type MemberReport,
  type MemberState,
  type Permit,
  type PodsObservation,
  type RedisInfo,
  type RoleOutcome,
  type SliceObservation,
  type StartFacts,
} from "../../src/index.ts";
import { CONFIG, baseReport, emptySlice, freshInfo, podsOf, startFacts } from "./defaults.ts";
import { describe } from "./describe.ts";
import { afterRole, dangersOf, pausedUntil, type ApiWay, type Outside } from "./outside.ts";

export interface WorldOptions {
  readonly start?: Partial<StartFacts>;
  readonly config?: Partial<MemberConfig>;
  readonly replicas?: number;
}

/** What is not answered by itself: actions of these types wait for the scenario. */
export type Held = Action["type"];

export type RedisWay = "answers" | "silent" | "muteRoles" | "refusesRoles" | "refusesPromotions";

type GuardStatus = Pick<GuardObservation, "bootId" | "uptimeSkewMs"> & Partial<GuardObservation>;

const PROBE_EVERY_MS = 200;
const ROLE_DEADLINE_MS = 2000;
/** Lines that say nothing of what a member does to others. */
const NOISE = /^(readLease|readPods|askPeers|writeRecord|say)/;

export class World implements Outside {
  state: MemberState;
  readonly config: MemberConfig;
  nowMs = 1000;
  /** How far the boot clock ran ahead in suspends. */
  suspendedMs = 0;
  lease: VersionedLease | null = null;
  version = 0;
  slice: SliceObservation = emptySlice();
  pods: PodsObservation;
  redis: RedisInfo | null = freshInfo();
  redisWay: RedisWay = "answers";
  private guardPid: number | null = null;
  private guardSays: GuardStatus = { bootId: "g0", uptimeSkewMs: 0 };
  volume: "well" | "full" = "well";
  control: ControlObservation = { paused: false, pauseSpan: null, request: null, forgotten: [] };
  peers = new Map<string, MemberReport>();
  /** Peers that accept a question and say nothing until it is given up. */
  readonly mute = new Set<string>();
  /** What a peer says when it is asked for a promise; would: only to what does not bind. */
  readonly promises = new Map<string, "yes" | "no" | "would">();
  /** Attempt by which whoever is asked accepts a hand-over in advance. */
  accepted: string | null = null;
  told: readonly string[] = [];
  api: ApiWay = "up";
  readonly held = new Set<Held>();
  readonly heldActions: Action[] = [];
  readonly log: string[] = [];
  readonly performed: Action[] = [];
  /** What is on the volumes. */
  permit: Permit | null;
  record: MemberRecord | null;
  pausedUntilMs = 0;
  /** Rules that the outside world saw broken. */
  readonly dangers: string[] = [];
  ticks = 0;
  /** Before it a process is told nothing: what happens is how it finds the world. */
  isBorn = false;
  isDead = false;
  /** Called after every single action: the process may die right then. */
  witness: (() => void) | null = null;
  probeAtMs = this.nowMs + PROBE_EVERY_MS;
  protected readonly queue: MemberEventBody[] = [];
  private readonly due: { readonly atMs: number; readonly event: MemberEventBody }[] = [];

  constructor(options: WorldOptions = {}) {
    this.config = { ...CONFIG, ...options.config };
    const start = { ...startFacts(), ...options.start };
    this.state = initialState(start, this.config);
    this.pods = podsOf(options.replicas ?? 3);
    this.permit = start.permit;
    this.record = start.record;
  }

  /** What this process leaves behind. */
  outside(): Outside {
    const { nowMs, api, lease, version, slice, pods, redis, pausedUntilMs, permit, record } = this;
    const cluster = { api, lease, version, slice, pods };
    const others = { peers: new Map(this.peers), told: this.told };
    return { nowMs, ...cluster, ...others, redis, pausedUntilMs, permit, record };
  }

  /** The next process of the same pod, in the world that this one leaves behind. */
  successor(nonce: string, change: Partial<Outside> = {}): World {
    const outside = { ...this.outside(), ...change };
    const { permit, record, nowMs } = outside;
    const at = { monotonicMs: nowMs, bootMs: nowMs };
    const next = new World({ start: { nonce, permit, record, at }, config: this.config });
    return Object.assign(next, outside, { probeAtMs: nowMs + PROBE_EVERY_MS });
  }

  at(): Instant {
    return { monotonicMs: this.nowMs, bootMs: this.nowMs + this.suspendedMs };
  }

  /** Handles one event and everything that follows from it at the same instant. */
  tell(event: MemberEventBody): void {
    if (this.isDead || !this.isBorn) return;
    this.queue.push(event);
    for (let turns = 0; this.queue.length > 0; turns++) {
      if (turns > 500) {
        throw new Error(`the member never comes to rest: ${this.log.slice(-8).join("; ")}`);
      }
      this.turn(this.queue.shift() as MemberEventBody);
    }
    this.look("time");
  }

  private turn(event: MemberEventBody): void {
    const decision = decide(this.state, { ...event, at: this.at(), jitter: 0 }, this.config);
    this.state = decision.state;
    for (const action of decision.actions) {
      if (this.isDead) return;
      this.start(action);
      this.look(describe(action));
      this.witness?.();
    }
  }

  /** Who this process is, for those who look at it from outside. */
  get me(): { readonly identity: string; readonly nonce: string } {
    return { identity: this.state.election.me, nonce: this.state.start.nonce };
  }

  private look(last: string): void {
    for (const danger of dangersOf(this, this.me)) this.dangers.push(`${danger}, after: ${last}`);
  }

  private start(action: Action): void {
    this.performed.push(action);
    this.log.push(describe(action));
    if (this.held.has(action.type)) this.heldActions.push(action);
    else this.perform(action);
  }

  /** Lets time pass, ticking when the core wants to be woken; probes Redis each 200 ms. */
  run(ms: number): void {
    const end = this.nowMs + ms;
    while (this.nowMs < end) {
      const wake = this.nowMs + Math.ceil(nextWakeMs(this.state, this.at(), this.config));
      const soonest = Math.min(...this.due.map((one) => one.atMs));
      this.nowMs = Math.max(this.nowMs, Math.min(end, wake, this.probeAtMs, soonest));
      this.deliver();
      if (this.nowMs >= this.probeAtMs) this.probe();
      this.ticks += 1;
      this.tell({ type: "tick" });
    }
  }

  private deliver(): void {
    const all = this.due.splice(0);
    this.due.push(...all.filter((one) => one.atMs > this.nowMs));
    for (const { atMs, event } of all) if (atMs <= this.nowMs) this.tell(event);
  }

  probe(): void {
    this.probeAtMs = this.nowMs + PROBE_EVERY_MS;
    this.tell({ type: "redisObserved", observation: this.observation() });
    // The guard speaks of each process that it starts, unless a scenario gave it other words.
    const isNew = this.redis !== null && this.redis.pid !== this.guardPid;
    const speaks = this.state.guard !== null && this.guardSays.state === undefined;
    if (isNew && speaks) this.hearGuard();
  }

  private observation(): Extract<MemberEventBody, { type: "redisObserved" }>["observation"] {
    if (this.redis === null) return { kind: "refused" };
    if (this.redisWay === "silent") return { kind: "silent", message: "" };
    return { kind: "answered", info: this.redis };
  }

  /** The guard's status file changes; without a change it says that the Redis there is runs. */
  hearGuard(change: Partial<GuardObservation> = {}): void {
    const pid = this.redis?.pid ?? null;
    this.guardPid = pid;
    this.guardSays = { ...this.guardSays, ...change };
    this.tell({ type: "guardObserved", guard: { state: "running", pid, ...this.guardSays } });
  }

  /** The usual beginning: everything is seen once, as far as it answers. */
  boot(): this {
    this.isBorn = true;
    if (this.api !== "down") {
      this.tell({ type: "podsObserved", pods: this.pods });
      this.tell({ type: "sliceObserved", slice: this.slice });
    }
    this.probe();
    if (this.state.guard !== null) this.hearGuard();
    this.run(50);
    return this;
  }

  setLease(record: LeaseRecord | null): void {
    this.version += 1;
    this.lease =
      record === null ? null : { uid: "lease-1", resourceVersion: `${this.version}`, record };
    this.tell({ type: "leaseChanged", lease: this.lease });
  }

  peer(member: string, change: Partial<MemberReport> = {}): void {
    this.peers.set(member, { ...baseReport(member), ...change });
  }

  /** Answers the oldest held action of this kind, by what the world is like now. */
  answerHeld(type: Held): void {
    const index = this.heldActions.findIndex((action) => action.type === type);
    const [action] = index < 0 ? [] : this.heldActions.splice(index, 1);
    if (action === undefined) throw new Error(`no ${type} is held`);
    this.perform(action);
    this.tell({ type: "tick" });
  }

  private answer(event: MemberEventBody): void {
    this.queue.push(event);
  }

  private answerLater(ms: number, event: MemberEventBody): void {
    this.due.push({ atMs: this.nowMs + ms, event });
  }

  perform(action: Action): void {
    switch (action.type) {
      case "readLease":
        return this.answer({ type: "leaseRead", seq: action.seq, outcome: this.readOutcome() });
      case "writeLease":
        return this.answer(this.writeOutcome(action));
      case "redisRole":
        return this.answerRole(action);
      case "kill":
        this.redis = null;
        return this.answer({
          type: "guardObserved",
          guard: { bootId: action.bootId, state: "killed", pid: action.pid, uptimeSkewMs: 0 },
        });
      case "readPods":
        return this.answer({ type: "podsObserved", pods: this.pods, seq: action.seq });
      case "writePermit":
        this.permit = action.permit;
        return;
      case "writeRecord":
        return this.writeRecord(action);
      case "askPeers":
        return this.report(action);
      case "askPromises":
        return this.promise(action);
      case "awaitOffset":
        return this.answer(this.offsets(action));
      case "readSlice":
        return this.answer({ type: "sliceObserved", slice: this.slice });
      case "writeSlice":
        return this.answer(this.sliceOutcome(action));
      case "exit":
        this.isDead = true;
        return;
      default:
        return;
    }
  }

  private readOutcome(): Extract<MemberEventBody, { type: "leaseRead" }>["outcome"] {
    if (["down", "writeOnly", "conflicts"].includes(this.api)) {
      return { kind: "failed", status: null, message: "connection refused" };
    }
    return this.lease === null ? { kind: "missing" } : { kind: "present", lease: this.lease };
  }

  private writeOutcome(action: Extract<Action, { type: "writeLease" }>): MemberEventBody {
    const { seq, attempt, write } = action;
    const answer = { type: "leaseWritten" as const, seq, attempt };
    const unknown = { kind: "unknown", status: null, message: "no answer" } as const;
    if (this.api === "down" || this.api === "readOnly") return { ...answer, outcome: unknown };
    const stale = (write.base?.resourceVersion ?? null) !== (this.lease?.resourceVersion ?? null);
    if (stale || this.api === "conflicts") return { ...answer, outcome: { kind: "conflict" } };
    this.version += 1;
    this.lease = { uid: "lease-1", resourceVersion: `${this.version}`, record: write.record };
    this.publish(write.record.lineage);
    if (this.api === "answersLost") return { ...answer, outcome: unknown };
    return { ...answer, outcome: { kind: "committed", lease: this.lease } };
  }

  /** Once told it stays known, whatever people delete afterwards. */
  private publish(lineage: readonly LineageEntry[]): void {
    this.told = [...new Set([...this.told, ...lineage.map((entry) => entry.replid)])];
  }

  private answerRole(action: Extract<Action, { type: "redisRole" }>): void {
    const outcome = this.role(action);
    const answer = { type: "redisRoleDone", id: action.id, outcome } as const;
    if (!outcome.ok && outcome.error === "timeout") this.answerLater(ROLE_DEADLINE_MS, answer);
    else this.answer(answer);
  }

  private role(action: Extract<Action, { type: "redisRole" }>): RoleOutcome {
    const { redis } = this;
    if (redis === null || redis.runId !== action.process.runId) {
      return { ok: false, sent: false, error: "otherProcess", message: "another process" };
    }
    if (this.redisWay === "silent" || this.redisWay === "muteRoles") {
      return { ok: false, sent: true, error: "timeout", message: "no answer in time" };
    }
    const promotes = action.command.kind === "promote";
    if (this.redisWay === "refusesRoles" || (this.redisWay === "refusesPromotions" && promotes)) {
      return { ok: false, sent: true, error: "refused", message: "NOPERM" };
    }
    this.redis = afterRole(redis, action.command);
    this.pausedUntilMs = pausedUntil(this, action.command);
    const { runId, pid, role, replid, offset } = this.redis;
    return { ok: true, process: { runId, pid }, role, replid, offset };
  }

  private writeRecord(action: Extract<Action, { type: "writeRecord" }>): void {
    const ok = this.volume === "well";
    if (ok) this.record = action.record;
    const message = ok ? "" : "ENOSPC: no space left on device";
    this.answer({ type: "recordWritten", seq: action.seq, ok, message });
  }

  private report(action: Extract<Action, { type: "askPeers" }>): void {
    const { round, timeoutMs } = action;
    const done = { type: "peersDone", round } as const;
    const asked = action.peers.map((peer) => peer.member);
    for (const member of asked.filter((name) => !this.mute.has(name))) {
      const report = this.peers.get(member) ?? null;
      this.answer({ type: "peerReported", round, member, report });
    }
    const mute = asked.filter((name) => this.mute.has(name));
    for (const member of mute) {
      this.answerLater(timeoutMs, { type: "peerReported", round, member, report: null });
    }
    if (mute.length > 0) this.answerLater(timeoutMs, done);
    else this.answer(done);
  }

  private promise(action: Extract<Action, { type: "askPromises" }>): void {
    const { round, binding, lineage } = action.request;
    for (const { member } of action.peers) {
      const way = this.promises.get(member);
      const silent = way === undefined || (way === "would" && binding);
      const answer = silent ? null : { yes: way !== "no", reason: way };
      const event = { type: "promiseAnswered", round, member, answer } as const;
      if (silent) this.answerLater(action.timeoutMs, event);
      else this.answer(event);
    }
    const all = action.peers.every((peer) => this.promises.get(peer.member) === "yes");
    if (all && binding) this.publish(lineage);
  }

  private offsets(action: Extract<Action, { type: "awaitOffset" }>): MemberEventBody {
    const own = action.offset === "current" ? (this.redis?.offset ?? 0) : action.offset;
    const theirs = this.peers.get(action.peer.member)?.offset ?? null;
    const equal = own === theirs;
    const accepted = equal && action.handover !== null ? this.accepted : null;
    return { type: "offsetAwaited", id: action.id, equal, own, theirs, accepted };
  }

  sliceOutcome(action: Extract<Action, { type: "writeSlice" }>): MemberEventBody {
    const { epoch, holder, lineage, address, version } = action.slice;
    const answer = { type: "sliceWritten" as const, seq: action.seq };
    if (this.api === "down" || this.api === "readOnly") {
      return { ...answer, outcome: { kind: "failed", message: "no answer" } };
    }
    if (version !== this.slice.version) return { ...answer, outcome: { kind: "conflict" } };
    this.version += 1;
    this.slice = { version: `${this.version}`, epoch, holder, lineage, address };
    this.publish(lineage);
    return { ...answer, outcome: { kind: "committed", slice: this.slice } };
  }

  /** Log lines since the last call, without the noise of reading and polling. */
  take(): string[] {
    return this.log.splice(0).filter((line) => !NOISE.test(line));
  }
}
