/** The sidecar's probe of its own Redis: one question at a time, at once after a closed socket. */
import { PROBE_DEADLINE_MS, PROBE_GAP_MS, PROBE_INTERVAL_MS } from "../figures.ts";
import type { RedisServer } from "../redis/server.ts";
import type { Connection } from "../redis/types.ts";
import type { RedisObservation } from "@leasehold/replication";
import type { Timer } from "../../virtual-clock.ts";
import type { Sidecar } from "./sidecar.ts";

const LOCAL_MS = 0.12;
/** A member whose Redis does not answer by then tells what it knew before. */
const REFRESH_MS = 100;

export class RedisProbe {
  private readonly sidecar: Sidecar;
  private server: RedisServer | null = null;
  private connection: Connection | null = null;
  /** Questions under way on the connection. */
  private waiting = new Set<(observation: RedisObservation) => void>();
  private isAsking = false;
  private isNudged = false;
  private askedAtMs = 0;
  private timer: Timer | null = null;

  constructor(sidecar: Sidecar) {
    this.sidecar = sidecar;
    this.timer = sidecar.later(1, () => this.ask());
  }

  close(): void {
    if (this.connection !== null) this.server?.connections.delete(this.connection);
    this.connection = null;
  }

  /** Asks now, beside the regular round; `done` once the answer was handled, or none came. */
  refresh(done: () => void): void {
    const { world } = this.sidecar;
    let isDone = false;
    const finish = (observation: RedisObservation | null): void => {
      if (isDone) return;
      isDone = true;
      world.clock.cancel(timer);
      this.sidecar.post(() => {
        if (observation?.kind === "answered") this.sidecar.observeRedis(observation);
        done();
      });
    };
    const timer = this.sidecar.later(REFRESH_MS, () => finish(null));
    world.clock.after(LOCAL_MS, () => this.put(finish));
  }

  private nudge(): void {
    this.isNudged = true;
    if (!this.isAsking) this.schedule();
  }

  private schedule(): void {
    const { world } = this.sidecar;
    const gapMs = this.isNudged ? PROBE_GAP_MS : PROBE_INTERVAL_MS;
    world.clock.cancel(this.timer);
    const dueMs = this.askedAtMs + gapMs - world.clock.nowMs;
    this.timer = this.sidecar.later(Math.max(0.05, dueMs), () => this.ask());
  }

  private ask(): void {
    const { world } = this.sidecar;
    this.isAsking = true;
    this.isNudged = false;
    this.askedAtMs = world.clock.nowMs;
    let isAnswered = false;
    const answer = (observation: RedisObservation): void => {
      if (isAnswered) return;
      isAnswered = true;
      world.clock.cancel(deadline);
      this.sidecar.post(() => {
        this.isAsking = false;
        this.sidecar.observeRedis(observation);
        this.schedule();
      });
    };
    const deadline = this.sidecar.later(PROBE_DEADLINE_MS, () =>
      answer({ kind: "silent", message: "no answer to INFO in time" }),
    );
    world.clock.after(LOCAL_MS, () => this.put(answer));
  }

  private put(answer: (observation: RedisObservation) => void): void {
    const { world, pod } = this.sidecar;
    const server = pod.redis;
    if (server === null || !server.alive) return answer({ kind: "refused" });
    if (pod.refusesClients) {
      return answer({ kind: "silent", message: "ERR max number of clients reached" });
    }
    const connection = this.connect(server);
    this.waiting.add(answer);
    server.submit(connection, () => {
      const observation: RedisObservation = server.isBusy()
        ? { kind: "busy" }
        : { kind: "answered", info: server.info() };
      world.clock.after(LOCAL_MS, () => {
        this.waiting.delete(answer);
        answer(observation);
      });
    });
  }

  private connect(server: RedisServer): Connection {
    if (this.connection !== null && this.server === server) return this.connection;
    const connection: Connection = {
      address: this.sidecar.pod.machine.address,
      isCut: false,
      closed: () => {
        if (this.connection === connection) this.connection = null;
        if (this.sidecar.alive) this.sidecar.post(() => this.nudge());
        const { waiting } = this;
        this.waiting = new Set();
        for (const answer of waiting) {
          answer({ kind: "silent", message: "the connection was closed" });
        }
      },
    };
    this.server = server;
    this.connection = connection;
    server.connections.add(connection);
    return connection;
  }
}
