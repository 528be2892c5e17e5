/**
 * The guard, PID 1 of Redis' container: starts Redis gated, looks at the permit four times a
 * second, kills what has none, and says on the shared tmpfs what became of its child.
 */
import type { GuardObservation } from "@leasehold/replication";
import {
  GUARD_BACKOFF_MS,
  GUARD_POLL_MS,
  GUARD_STABLE_MS,
  REDIS_SHUTDOWN_WAIT_MS,
} from "../figures.ts";
import { RedisServer } from "../redis/server.ts";
import type { World } from "../world.ts";
import type { Pod } from "./pod.ts";

/** Every guard counts its children from the same pid: pids alone prove nothing. */
const FIRST_PID = 7;

export class Guard {
  readonly bootId: string;
  redis: RedisServer | null = null;
  alive = true;
  private readonly pod: Pod;
  private readonly world: World;
  private state: GuardObservation["state"] = "waiting";
  private pid: number | null = null;
  private nextPid = FIRST_PID;
  private failures = 0;
  private startedMs = 0;
  private startAtMs = 0;
  private terminating = false;

  constructor(world: World, pod: Pod) {
    this.world = world;
    this.pod = pod;
    this.bootId = world.random.hex(6);
    // Of a container before this one.
    pod.tmpfs.stopRequested = false;
    pod.tmpfs.stopped = false;
    this.say("waiting", null);
    this.poll();
  }

  /** Redis ended by itself or by somebody else's signal. */
  redisEnded(server: RedisServer, cause: "exit" | "kill"): void {
    if (server !== this.redis || !this.alive) return;
    const { clock } = this.world;
    this.redis = null;
    if (clock.nowMs - this.startedMs > GUARD_STABLE_MS) this.failures = 0;
    const backoff = GUARD_BACKOFF_MS[Math.min(this.failures, GUARD_BACKOFF_MS.length - 1)] ?? 0;
    this.failures += 1;
    this.startAtMs = clock.nowMs + backoff;
    this.whenRunning(() => this.say(cause === "kill" ? "killed" : "exited", server.pid));
    if (this.terminating) this.pod.guardEnded();
    else clock.after(backoff + 5, () => this.startIfPermitted());
  }

  /** SIGTERM to the container: Redis shuts down, then the guard ends. */
  terminate(): void {
    if (!this.alive || this.terminating) return;
    this.terminating = true;
    if (this.redis === null) this.pod.guardEnded();
    else this.redis.shutdown(REDIS_SHUTDOWN_WAIT_MS);
  }

  /** The container dies, and Redis with it. */
  end(cause: "kill" | "power"): void {
    if (!this.alive) return;
    this.alive = false;
    this.redis?.end(cause);
    this.redis = null;
  }

  private poll(): void {
    if (!this.alive) return;
    this.whenRunning(() => {
      if (!this.alive) return;
      this.look();
      const { clock, random } = this.world;
      const localMs = GUARD_POLL_MS + random.between(0, 10);
      clock.after(this.pod.machine.trueMs(localMs), () => this.poll());
    });
  }

  private look(): void {
    const request = this.pod.tmpfs.killRequest;
    const { redis } = this;
    if (redis === null) {
      this.startIfPermitted();
      return;
    }
    const isWanted = request?.bootId === this.bootId && request.pid === redis.pid;
    if (isWanted || !this.isPermitted()) {
      this.world.log(this.pod.label, isWanted ? "guard kills Redis: asked" : "guard kills Redis");
      redis.end("kill");
    }
  }

  /** A permit that can be read and has not run out. */
  private isPermitted(): boolean {
    const { permit } = this.pod.tmpfs;
    if (permit === null) return false;
    if (permit.kind === "follow") return true;
    return this.pod.machine.instant().bootMs + this.pod.guardSkewMs <= permit.deadlineBootMs;
  }

  private startIfPermitted(): void {
    const { clock } = this.world;
    const isDue = clock.nowMs >= this.startAtMs && !this.pod.isFrozen();
    if (!this.alive || this.terminating || this.redis !== null || !isDue) return;
    if (!this.isPermitted()) return;
    this.startedMs = clock.nowMs;
    const image = this.pod.volume.image(this.world.random, this.world.offsetOfRestartedAof());
    this.redis = new RedisServer(this.world, this.pod, { image, pid: this.nextPid });
    this.nextPid += 1;
    this.say("running", this.redis.pid);
  }

  private say(state: GuardObservation["state"], pid: number | null): void {
    if (!this.alive) return;
    this.state = state;
    this.pid = pid;
    this.pod.tmpfs.guard = {
      bootId: this.bootId,
      state: this.state,
      pid: this.pid,
      uptimeSkewMs: this.pod.guardSkewMs,
    };
  }

  /** A frozen guard does nothing; after the thaw it is somewhere in its quarter second. */
  private whenRunning(run: () => void): void {
    if (!this.pod.isFrozen()) {
      run();
      return;
    }
    const wait = (): void => {
      const { clock, random } = this.world;
      if (this.pod.isFrozen()) clock.after(20, wait);
      else clock.after(random.between(0, GUARD_POLL_MS), () => this.whenRunning(run));
    };
    wait();
  }
}
