/**
 * The people who move in, by the procedure of docs/migrate: they ask for a cutover, withdraw it,
 * repeat what was refused, and let the writers move once it is done.
 */
import type { RequestResult } from "@leasehold/replication";
import type { World } from "../world.ts";
import type { Source } from "./source.ts";

export const REOPENS = "A cutover that fails leaves the source open again.";

/** Nobody answers: the request is taken back. */
const PATIENCE_MS = 25_000;
const AGAIN_MS = 4_000;
/** Between two looks whether anything is still on its way to the source. */
const IDLE_MS = 1_000;
const RESUME_MS = 500;
const MOVE_MS = [200, 3_000] as const;
const SHUT_DOWN_MS = [3_000, 9_000] as const;
/** Half a minute of tries of a failed opening, and the cutover that came before it. */
const REOPEN_MS = 75_000;

export class Mover {
  isDone = false;
  /** They said that the group may lead with one copy. */
  goesAlone = false;
  /** Ids of all requests for a cutover. */
  readonly asked = new Set<string>();
  private readonly world: World;
  private readonly source: Source;
  /** For what is still on its way to the source. */
  private isWaiting = false;

  constructor(world: World, source: Source) {
    this.world = world;
    this.source = source;
  }

  /** The group was promoted, whatever became of the answer: the source stays closed. */
  private get hasMoved(): boolean {
    return this.isDone || this.world.judge.promotions > 0;
  }

  /** False: another request is open. */
  ask(force = false, alone = false): boolean {
    const { store, clock } = this.world;
    const isLate = this.isDone || this.source.isQuiet !== force;
    if (store.control.request !== null || isLate) return false;
    const id = `c${clock.nowMs.toFixed(0)}`;
    this.asked.add(id);
    const request = { id, kind: "cutover", to: null, force, alone } as const;
    store.setControl({ ...store.control, request });
    this.goesAlone ||= alone;
    const how = `${force ? ", by force" : ""}${alone ? ", with one copy" : ""}`;
    this.world.log("mover", `asks for a cutover${how}: ${id}`);
    clock.after(PATIENCE_MS, () => this.withdraw(id));
    return true;
  }

  /** The writers are stopped first; they go on if nothing comes of it. */
  askByForce(): boolean {
    const { source, world } = this;
    if (world.store.control.request !== null || this.hasMoved || source.isQuiet) return false;
    source.stopWriters();
    source.isQuiet = true;
    this.isWaiting = true;
    world.log("mover", "stops the writers of the source");
    this.whenIdle();
    this.world.clock.after(RESUME_MS, () => this.resumeLater());
    return true;
  }

  /** A look twice finds nothing on its way. */
  private whenIdle(): void {
    const wasIdle = this.source.isIdle;
    this.world.clock.after(IDLE_MS, () => {
      this.isWaiting = !(wasIdle && this.source.isIdle);
      if (this.isWaiting) this.whenIdle();
      else this.ask(true);
    });
  }

  private resumeLater(): void {
    if (!this.source.isQuiet || this.hasMoved) return;
    if (!this.isWaiting && this.maySeeItOver()) this.resume();
    else this.world.clock.after(RESUME_MS, () => this.resumeLater());
  }

  /** By `status`: a holder that follows, cuts over from nothing, and no request for it. */
  private maySeeItOver(): boolean {
    const { store, pods } = this.world;
    const record = store.lease?.record;
    if (record === undefined || store.control.request !== null) return false;
    const holder = pods.find((pod) => pod.sidecar?.identity === record.holder)?.sidecar;
    const phase = holder?.alive ? holder.status().phase : "";
    return phase.startsWith("follows the source") || phase.startsWith("copies the source");
  }

  private resume(): void {
    if (!this.source.isQuiet || this.hasMoved) return;
    this.world.log("mover", "lets the writers of the source go on");
    this.source.startWriters();
  }

  /** That one, or whichever is open. False: there is none. */
  withdraw(id?: string): boolean {
    const { store } = this.world;
    const { request } = store.control;
    if (request?.kind !== "cutover" || (id !== undefined && request.id !== id)) return false;
    store.setControl({ ...store.control, request: null });
    this.world.log("mover", `withdraws ${request.id}`);
    return true;
  }

  /** The answer to a request of theirs, as it comes to be in the control object. */
  answered({ done }: RequestResult): void {
    const { clock, random } = this.world;
    if (!done) return;
    this.isDone = true;
    clock.after(random.between(...MOVE_MS), () => this.source.moveWriters());
    if (random.chance(0.5)) return;
    clock.after(random.between(...SHUT_DOWN_MS), () => this.source.shutDown());
  }

  /** After the last fault: what failed must have left the source open; then until it succeeds. */
  insist(): void {
    const { store } = this.world;
    // Whoever asked for something else, and got no answer, takes it back.
    if (store.control.request !== null && store.control.request.kind !== "cutover") {
      store.setControl({ ...store.control, request: null });
    }
    this.awaitOpen(this.world.clock.nowMs + REOPEN_MS);
  }

  private awaitOpen(untilMs: number): void {
    const { world, source } = this;
    const { clock, store } = world;
    const isAsked = store.control.request !== null;
    // By hand: told by the sidecar that gave up; documented of one that died inside a cutover.
    const isOurs = source.isGivenUp || source.closedBy?.alive !== true;
    if (this.hasMoved || (!isAsked && (isOurs || !source.isClosed))) return this.repeat();
    if (clock.nowMs < untilMs || !source.isClosed) {
      clock.after(250, () => this.awaitOpen(untilMs));
      return;
    }
    world.violate({
      checker: "source reopens",
      promise: REOPENS,
      words: `it is closed, and nobody leads, ${REOPEN_MS / 1_000} s after the last fault`,
    });
  }

  private repeat(): void {
    if (this.hasMoved) return;
    this.ask();
    this.world.clock.after(AGAIN_MS, () => this.repeat());
  }
}
