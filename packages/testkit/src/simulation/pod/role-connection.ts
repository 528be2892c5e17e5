/**
 * The one connection down which a sidecar sends role commands, as the redis adapter keeps it: one
 * after the other, never re-sent, compared with the process that was meant. A command that missed
 * its deadline closes the connection, but what Redis has in its socket it will still execute.
 */
import type { RedisProcess, RoleCommand, RoleError, RoleOutcome } from "@leasehold/replication";
import { roleDeadlineMs } from "../figures.ts";
import type { RedisServer } from "../redis/server.ts";
import type { Connection } from "../redis/types.ts";
import type { World } from "../world.ts";
import { execute } from "./role-commands.ts";
import type { Pod } from "./pod.ts";

const LOCAL_MS = 0.15;

interface Wanted {
  readonly command: RoleCommand;
  readonly process: RedisProcess;
  readonly done: (outcome: RoleOutcome) => void;
}

export class RoleConnection {
  private readonly world: World;
  private readonly pod: Pod;
  private server: RedisServer | null = null;
  private connection: Connection | null = null;
  private waiting: Wanted[] = [];
  private current: { readonly settle: (outcome: RoleOutcome) => void } | null = null;

  constructor(world: World, pod: Pod) {
    this.world = world;
    this.pod = pod;
  }

  send(wanted: Wanted): void {
    this.waiting.push(wanted);
    if (this.current === null) this.next();
  }

  private next(): void {
    const wanted = this.waiting.shift();
    if (wanted === undefined) return;
    const server = this.connect();
    if (server === null) {
      this.report(wanted, failure("closed", false, "no Redis listens"));
      return;
    }
    if (server.runId !== wanted.process.runId || server.pid !== wanted.process.pid) {
      this.report(wanted, failure("otherProcess", false, `it is ${server.runId}`));
      return;
    }
    this.run(server, wanted);
  }

  private run(server: RedisServer, wanted: Wanted): void {
    const { clock } = this.world;
    const connection = this.connection as Connection;
    let isSettled = false;
    const settle = (outcome: RoleOutcome): void => {
      if (isSettled) return;
      isSettled = true;
      clock.cancel(timer);
      this.current = null;
      this.report(wanted, outcome);
    };
    const timer = clock.after(roleDeadlineMs(wanted.command), () => {
      this.close();
      settle(failure("timeout", true, "no answer within the deadline"));
    });
    this.current = { settle };
    clock.after(LOCAL_MS, () => {
      server.submit(connection, () =>
        execute({ world: this.world, server, connection }, wanted.command, (outcome) =>
          clock.after(LOCAL_MS, () => settle(outcome)),
        ),
      );
    });
  }

  private report(wanted: Wanted, outcome: RoleOutcome): void {
    this.world.clock.after(0.01, () => {
      wanted.done(outcome);
      if (this.current === null) this.next();
    });
  }

  private connect(): RedisServer | null {
    const { redis } = this.pod;
    if (this.server !== null && this.connection !== null && this.server.alive) return this.server;
    if (redis === null || !redis.alive) return null;
    this.server = redis;
    const connection: Connection = {
      address: this.pod.machine.address,
      isCut: false,
      closed: () => {
        if (this.connection !== connection) return;
        this.connection = null;
        this.server = null;
        this.current?.settle(failure("closed", true, "the connection was closed"));
      },
    };
    this.connection = connection;
    redis.connections.add(connection);
    return redis;
  }

  private close(): void {
    if (this.connection !== null) this.server?.connections.delete(this.connection);
    this.connection = null;
    this.server = null;
  }
}

export function failure(error: RoleError, sent: boolean, message: string): RoleOutcome {
  return { ok: false, sent, error, message };
}
