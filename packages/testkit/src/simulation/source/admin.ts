/**
 * What a sidecar asks of the source at a cutover, as apps/sidecar/src/source and the redis adapter
 * do it: where it stands, closed from before that, and opened again. Lives as long as the process.
 *
 * Guarantees: one thing after the other, in the order in which they were decided; each on a
 * connection of its own that ends within its deadline; an opening that fails is tried again, until
 * a newer closing. What a connection still had to send when it was ended is not sent any more,
 * unless its process died.
 */
import type { SourceOutcome } from "@leasehold/replication";
import { SOURCE_MS, SOURCE_OPEN_AGAIN_MS, SOURCE_OPEN_TRIES } from "../figures.ts";
import type { RedisServer } from "../redis/server.ts";
import type { Sidecar } from "../pod/sidecar.ts";
import type { Source } from "./source.ts";
import { REOPENS } from "./mover.ts";
import { Talk } from "./talk.ts";

const LATE = { kind: "failed", words: "the source did not answer in time" } as const;

export class SourceAdmin {
  private readonly sidecar: Sidecar;
  private readonly waiting: ((done: () => void) => void)[] = [];
  private isBusy = false;
  private closings = 0;

  constructor(sidecar: Sidecar) {
    this.sidecar = sidecar;
  }

  stand(closes: boolean, answered: (outcome: SourceOutcome) => void): void {
    const { world, pod } = this.sidecar;
    this.closings += 1;
    const endAtMs = world.clock.nowMs + pod.machine.trueMs(SOURCE_MS);
    this.inTurn((done) => {
      const end = (outcome: SourceOutcome): void => {
        answered(outcome);
        done();
      };
      // Nobody waits for it any more: what it closed would stay closed.
      if (world.clock.nowMs >= endAtMs) return end(LATE);
      const failed = (words: string): void => end({ kind: "failed", words });
      const talk = new Talk(this.sidecar, endAtMs - world.clock.nowMs, failed);
      if (closes) this.closeAndStand(talk, end);
      else this.standing(talk, end);
    });
  }

  reopen(): void {
    const before = this.closings;
    this.open(SOURCE_MS, (why) => {
      if (why !== null) this.openLate(before, SOURCE_OPEN_TRIES);
    });
  }

  private inTurn(work: (done: () => void) => void): void {
    this.waiting.push(work);
    if (!this.isBusy) this.next();
  }

  private next(): void {
    const work = this.waiting.shift();
    this.isBusy = work !== undefined;
    work?.(() => this.next());
  }

  private closeAndStand(talk: Talk, end: (outcome: SourceOutcome) => void): void {
    const { source } = this;
    const { world } = this.sidecar;
    const beganMs = world.clock.nowMs;
    const close = (): void => {
      if (talk.isOver && talk.wasHeldUp && source.openedMs > beganMs) {
        const words = "a closing took effect after the opening that was decided after it";
        world.violate({ checker: "source reopens", promise: REOPENS, words });
      }
      source.redis.minReplicas = source.numberWhen(true);
      source.closedBy = this.sidecar;
      this.sidecar.world.log(source.label, `closed by ${this.sidecar.pod.label}`);
    };
    const look = (): void => talk.ask(() => source.isClosed, closeIfOpen);
    const stand = (): void => this.standing(talk, end);
    const closeIfOpen = (isClosed: boolean): void => (isClosed ? stand() : talk.ask(close, stand));
    talk.ask(() => undefined, look);
  }

  /** Commands are executed one by one: what was accepted was accepted before this answer. */
  private standing(talk: Talk, end: (outcome: SourceOutcome) => void): void {
    const { source, sidecar } = this;
    const look = (server: RedisServer): SourceOutcome => {
      const { head } = server;
      source.stood = { server, head, atMs: sidecar.world.clock.nowMs, by: sidecar };
      return { kind: "stands", replid: server.replid, offset: server.offset };
    };
    talk.ask(look, (outcome) => {
      talk.end();
      end(outcome);
    });
  }

  /** Null: it takes writes again, or was not closed. */
  private open(deadlineMs: number, opened: (why: string | null) => void): void {
    const { source } = this;
    this.inTurn((done) => {
      const end = (why: string | null): void => {
        opened(why);
        done();
      };
      const talk = new Talk(this.sidecar, this.sidecar.pod.machine.trueMs(deadlineMs), end);
      const finish = (): void => {
        talk.end();
        end(null);
      };
      const open = (): void => {
        source.redis.minReplicas = source.numberWhen(false);
        this.sidecar.world.log(source.label, `opened by ${this.sidecar.pod.label}`);
      };
      const look = (): boolean => {
        source.openedMs = this.sidecar.world.clock.nowMs;
        return source.isClosed;
      };
      talk.ask(look, (isClosed) => (isClosed ? talk.ask(open, finish) : finish()));
    });
  }

  private openLate(before: number, triesLeft: number): void {
    const { source, sidecar } = this;
    if (triesLeft === 0) {
      source.isGivenUp = true;
      sidecar.world.log(sidecar.pod.label, "the source stays closed: open it by hand");
      return;
    }
    sidecar.later(SOURCE_OPEN_AGAIN_MS, () => {
      if (this.closings !== before) return;
      this.open(SOURCE_OPEN_AGAIN_MS, (why) => {
        if (why !== null) this.openLate(before, triesLeft - 1);
      });
    });
  }

  private get source(): Source {
    const { source } = this.sidecar.world;
    if (source === null) throw new Error("there is no source: the group was told of none");
    return source;
  }
}
