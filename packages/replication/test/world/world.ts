/**
 * One member under test: its core, and around it an API, a Redis, a guard and peers that do what
 * a scenario says. Answers come at once unless the scenario holds them back. Nothing here decides
 * anything; what several real members do together is the simulation's business.
 */
import type { Instant, LeaseRecord, VersionedLease } from "@leasehold/election";
import {
  decide,
  initialState,
  nextWakeMs,
  type Action,
  type MemberConfig,
  type MemberEventBody,
  type MemberRecord,
  type MemberReport,
  type MemberState,
  type Permit,
  type PodsObservation,
  type RedisInfo,
  type RoleCommand,
  type RoleOutcome,
  type SliceObservation,
  type StartFacts,
} from "../../src/index.ts";
import { CONFIG, baseReport, emptySlice, freshInfo, podsOf, startFacts } from "./defaults.ts";

export interface WorldOptions {
  readonly start?: Partial<StartFacts>;
  readonly config?: Partial<MemberConfig>;
  readonly replicas?: number;
  /** How many actions are performed before the process dies; default: it never does. */
  readonly actions?: number;
}

/** What is not answered by itself: actions of these types wait for the scenario. */
export type Held = Action["type"];

export class World {
  state: MemberState;
  readonly config: MemberConfig;
  nowMs = 1000;
  lease: VersionedLease | null = null;
  slice: SliceObservation = emptySlice();
  pods: PodsObservation;
  redis: RedisInfo | null = freshInfo();
  peers = new Map<string, MemberReport>();
  apiDown = false;
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
  private version = 0;
  private actionsLeft: number;
  private readonly queue: MemberEventBody[] = [];

  constructor(options: WorldOptions = {}) {
    this.config = { ...CONFIG, ...options.config };
    const start = { ...startFacts(), ...options.start };
    this.state = initialState(start, this.config);
    this.pods = podsOf(options.replicas ?? 3);
    this.permit = start.permit;
    this.record = start.record;
    this.actionsLeft = options.actions ?? Infinity;
  }

  /** The next process of the same pod, in the world that this one left behind. */
  successor(nonce: string): World {
    const { permit, record } = this;
    const at = this.at();
    const next = new World({ start: { nonce, permit, record, at }, config: this.config });
    next.nowMs = this.nowMs;
    next.lease = this.lease;
    next.version = this.version;
    next.slice = this.slice;
    next.pods = this.pods;
    next.redis = this.redis;
    next.peers = this.peers;
    next.pausedUntilMs = this.pausedUntilMs;
    return next;
  }

  get isDead(): boolean {
    return this.actionsLeft <= 0;
  }

  at(): Instant {
    return { monotonicMs: this.nowMs, bootMs: this.nowMs };
  }

  /** Handles one event and everything that follows from it at the same instant. */
  tell(event: MemberEventBody): void {
    if (this.isDead) return;
    this.queue.push(event);
    for (let turns = 0; this.queue.length > 0; turns++) {
      if (turns > 500) {
        throw new Error(`the member never comes to rest: ${this.log.slice(-8).join("; ")}`);
      }
      this.turn(this.queue.shift() as MemberEventBody);
    }
  }

  private turn(event: MemberEventBody): void {
    const decision = decide(this.state, { ...event, at: this.at(), jitter: 0 }, this.config);
    this.state = decision.state;
    for (const action of decision.actions) {
      if (this.isDead) return;
      this.actionsLeft -= 1;
      this.start(action);
      this.dangers.push(...dangersOf(this));
    }
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
    let probeAt = this.nowMs + 200;
    while (this.nowMs < end) {
      const wake = this.nowMs + Math.ceil(nextWakeMs(this.state, this.at(), this.config));
      this.nowMs = Math.min(end, wake, probeAt);
      if (this.nowMs >= probeAt) {
        probeAt += 200;
        this.probe();
      }
      this.tell({ type: "tick" });
    }
  }

  probe(): void {
    const observation =
      this.redis === null
        ? { kind: "refused" as const }
        : { kind: "answered" as const, info: this.redis };
    this.tell({ type: "redisObserved", observation });
  }

  /** The usual beginning: everything is seen once. */
  boot(): this {
    this.tell({ type: "podsObserved", pods: this.pods });
    this.tell({ type: "sliceObserved", slice: this.slice });
    this.probe();
    const guard = {
      bootId: "g0",
      state: "running",
      pid: this.redis?.pid ?? null,
      uptimeSkewMs: 0,
    } as const;
    this.tell({ type: "guardObserved", guard });
    this.run(50);
    return this;
  }

  setLease(record: LeaseRecord | null): void {
    this.version += 1;
    this.lease =
      record === null ? null : { uid: "lease-1", resourceVersion: `${this.version}`, record };
    this.tell({ type: "leaseChanged" });
  }

  peer(member: string, change: Partial<MemberReport> = {}): void {
    this.peers.set(member, { ...baseReport(member), ...change });
  }

  answerHeld(type: Held): void {
    const index = this.heldActions.findIndex((action) => action.type === type);
    const [action] = this.heldActions.splice(index, 1);
    if (index < 0 || action === undefined) throw new Error(`no ${type} is held`);
    this.perform(action);
    this.tell({ type: "tick" });
  }

  private answer(event: MemberEventBody): void {
    this.queue.push(event);
  }

  perform(action: Action): void {
    switch (action.type) {
      case "readLease":
        return this.answer({ type: "leaseRead", seq: action.seq, outcome: this.readOutcome() });
      case "writeLease":
        return this.answer(this.writeOutcome(action));
      case "redisRole":
        return this.answer({ type: "redisRoleDone", id: action.id, outcome: this.role(action) });
      case "readPods":
        return this.answer({ type: "podsObserved", pods: this.pods, seq: action.seq });
      case "writePermit":
        this.permit = action.permit;
        return;
      case "writeRecord":
        this.record = action.record;
        return this.answer({ type: "recordWritten", seq: action.seq, ok: true, message: "" });
      case "askPeers":
        for (const { member } of action.peers) {
          const report = this.peers.get(member) ?? null;
          this.answer({ type: "peerReported", round: action.round, member, report });
        }
        return this.answer({ type: "peersDone", round: action.round });
      case "awaitOffset":
        return this.answer(this.offsets(action));
      case "readSlice":
        return this.answer({ type: "sliceObserved", slice: this.slice });
      case "writeSlice":
        return this.answer(this.sliceOutcome(action));
      case "exit":
        this.actionsLeft = 0;
        return;
      default:
        return;
    }
  }

  private readOutcome(): Extract<MemberEventBody, { type: "leaseRead" }>["outcome"] {
    if (this.apiDown) return { kind: "failed", status: null, message: "connection refused" };
    return this.lease === null ? { kind: "missing" } : { kind: "present", lease: this.lease };
  }

  private writeOutcome(action: Extract<Action, { type: "writeLease" }>): MemberEventBody {
    const { seq, attempt, write } = action;
    const answer = { type: "leaseWritten" as const, seq, attempt };
    if (this.apiDown) {
      return { ...answer, outcome: { kind: "unknown", status: null, message: "no answer" } };
    }
    if ((write.base?.resourceVersion ?? null) !== (this.lease?.resourceVersion ?? null)) {
      return { ...answer, outcome: { kind: "conflict" } };
    }
    this.version += 1;
    this.lease = { uid: "lease-1", resourceVersion: `${this.version}`, record: write.record };
    return { ...answer, outcome: { kind: "committed", lease: this.lease } };
  }

  private role(action: Extract<Action, { type: "redisRole" }>): RoleOutcome {
    const { redis } = this;
    if (redis === null || redis.runId !== action.process.runId) {
      return { ok: false, sent: false, error: "otherProcess", message: "another process" };
    }
    this.redis = afterRole(redis, action.command.kind, this.log.length);
    this.pausedUntilMs = pausedUntil(this, action.command);
    const { runId, pid, role, replid, offset } = this.redis;
    return { ok: true, process: { runId, pid }, role, replid, offset };
  }

  private offsets(action: Extract<Action, { type: "awaitOffset" }>): MemberEventBody {
    const own = action.offset === "current" ? (this.redis?.offset ?? 0) : action.offset;
    const theirs = this.peers.get(action.peer.member)?.offset ?? null;
    return { type: "offsetAwaited", id: action.id, equal: own === theirs, own, theirs };
  }

  private sliceOutcome(action: Extract<Action, { type: "writeSlice" }>): MemberEventBody {
    if (this.apiDown) {
      return {
        type: "sliceWritten",
        seq: action.seq,
        outcome: { kind: "failed", message: "down" },
      };
    }
    const { epoch, holder, lineage, address } = action.slice;
    this.version += 1;
    this.slice = { version: `${this.version}`, epoch, holder, lineage, address };
    return {
      type: "sliceWritten",
      seq: action.seq,
      outcome: { kind: "committed", slice: this.slice },
    };
  }

  /** Log lines since the last call, without the noise of reading and polling. */
  take(): string[] {
    const lines = this.log
      .splice(0)
      .filter((line) => !/^(readLease|readPods|askPeers|writeRecord|say)/.test(line));
    return lines;
  }
}

function pausedUntil(world: World, command: RoleCommand): number {
  if (command.kind === "promote" || command.kind === "pause") return world.nowMs + command.pauseMs;
  const lifts = command.kind === "unpause" || (command.kind === "demote" && command.cutClients);
  return lifts ? 0 : world.pausedUntilMs;
}

/** What must be true of the outside world after every single action, whatever comes next. */
function dangersOf(world: World): string[] {
  const { redis, permit, lease, slice } = world;
  const writable = redis?.role === "primary" && world.nowMs >= world.pausedUntilMs;
  if (!writable || redis === null) return [];
  const found: string[] = [];
  const last = world.log.at(-1) ?? "";
  if (permit?.kind !== "lead") found.push(`writable without a deadline after: ${last}`);
  const ownWrite = lease?.record.attempt?.startsWith(`${world.state.start.nonce}.`) ?? false;
  if (ownWrite && lease?.record.holder !== world.state.election.me) {
    found.push(`the Lease was given away over a writable Redis after: ${last}`);
  }
  const lineage = [...(lease?.record.lineage ?? []), ...slice.lineage];
  if (!lineage.some((entry) => entry.replid === redis.replid)) {
    found.push(`writable under a replid that nobody knows after: ${last}`);
  }
  return found;
}

function afterRole(redis: RedisInfo, kind: string, salt: number): RedisInfo {
  switch (kind) {
    case "promote":
      return {
        ...redis,
        role: "primary",
        replid: `promoted-${salt}`,
        replid2: redis.replid,
        secondOffset: redis.offset + 1,
        upstream: null,
        linkUp: false,
      };
    case "demote":
      return { ...redis, role: "replica", upstream: { host: "127.0.0.1", port: 1 }, linkUp: false };
    default:
      return redis;
  }
}

export function describe(action: Action): string {
  switch (action.type) {
    case "writeLease": {
      const { record, base } = action.write;
      const verb = base === null ? "POST" : "PUT";
      const extra = record.handover === null ? "" : ` handover to ${record.handover.to}`;
      return `${verb} Lease ${action.reason}: holder ${record.holder ?? "nobody"} epoch ${record.epoch}${extra}`;
    }
    case "writePermit":
      return `permit ${action.permit.kind}`;
    case "redisRole":
      return `redis ${action.command.kind}`;
    case "announce":
      return `say ${action.reason}: ${action.words}`;
    case "writeSlice":
      return `slice ${action.slice.address?.host ?? "nobody"} epoch ${action.slice.epoch}`;
    default:
      return action.type;
  }
}
