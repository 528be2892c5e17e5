/**
 * One connection from a sidecar to the source: one question after the other, until it is ended or
 * its deadline is over. A stopped source answers late, and what is in its socket by then it will
 * execute. What a partition held up is retransmitted, unless the connection was ended by then.
 */
import type { RedisServer } from "../redis/server.ts";
import type { Timer } from "../../virtual-clock.ts";
import type { Sidecar } from "../pod/sidecar.ts";
import type { Source } from "./source.ts";

export class Talk {
  private readonly sidecar: Sidecar;
  private readonly source: Source;
  private readonly failed: (words: string) => void;
  private readonly timer: Timer;
  private server: RedisServer | null = null;
  isOver = false;
  /** What arrived last had met a cut. */
  wasHeldUp = false;

  /** `failed` is called at most once, and nothing else of it after that. */
  constructor(sidecar: Sidecar, deadlineMs: number, failed: (words: string) => void) {
    this.sidecar = sidecar;
    this.source = sidecar.world.source as Source;
    this.failed = failed;
    this.timer = sidecar.world.clock.after(deadlineMs, () =>
      sidecar.post(() => this.fail("the source did not answer in time")),
    );
  }

  end(): void {
    this.isOver = true;
    this.sidecar.world.clock.cancel(this.timer);
  }

  /** Runs `command` at the source, and `then` with its answer here. */
  ask<T>(command: (server: RedisServer) => T, then: (answer: T) => void): void {
    if (this.server === null) this.connect(() => this.put(command, then));
    else this.put(command, then);
  }

  private fail(words: string): void {
    if (this.isOver) return;
    this.end();
    this.failed(words);
  }

  /** By the kernels alone: a stopped process accepts, too. */
  private connect(then: () => void): void {
    this.send(() => {
      const { redis } = this.source;
      this.answer(() => {
        if (!redis.alive) return this.fail("the source: connection refused");
        this.server = redis;
        then();
      });
    });
  }

  private put<T>(command: (server: RedisServer) => T, then: (answer: T) => void): void {
    const server = this.server as RedisServer;
    this.send(() => {
      if (!server.alive) return this.answer(() => this.fail("the source ended the connection"));
      server.submit(null, () => {
        if (server.isBusy()) return this.answer(() => this.fail("the source refuses: BUSY"));
        const answer = command(server);
        this.answer(() => then(answer));
      });
    });
  }

  private send(arrive: () => void): void {
    const { world, pod } = this.sidecar;
    const [here, there] = [pod.machine.address, this.source.machine.address];
    const isHeldUp = !world.network.isOpen(here, there);
    world.network.send(here, there, () => {
      if (isHeldUp && this.isOver) return;
      this.wasHeldUp = isHeldUp;
      arrive();
    });
  }

  private answer(handle: () => void): void {
    const { world, pod } = this.sidecar;
    world.network.send(this.source.machine.address, pod.machine.address, () =>
      this.sidecar.post(() => {
        if (!this.isOver) handle();
      }),
    );
  }
}
