/** What the adapters around Redis and Kubernetes offer the runtime (see @leasehold/election). */
import type { RoleCommand, SliceWrite } from "./action.ts";
import type { RoleOutcome, SliceOutcome } from "./event.ts";
import type {
  ControlObservation,
  PodsObservation,
  RedisObservation,
  RedisProcess,
  SliceObservation,
} from "./observation.ts";

/**
 * The own Redis, over two kinds of connections: probes, which never change a role, and the one
 * role connection.
 */
export interface RedisServer {
  /** One `INFO` with a deadline; reconnects by itself; never throws. */
  probe(deadlineMs: number): Promise<RedisObservation>;
  /**
   * Runs a role command on the role connection, after all earlier ones, never re-sent. Refuses
   * with `otherProcess` if that connection talks to another process than `process`.
   */
  role(command: RoleCommand, process: RedisProcess, deadlineMs: number): Promise<RoleOutcome>;
  /** Only the offset, as cheaply as possible. Null: no answer in time. */
  offset(deadlineMs: number): Promise<number | null>;
  /** Calls back when a connection to Redis is closed by the other side: a question, not a proof. */
  onClosed(listener: () => void): void;
  close(): Promise<void>;
}

export interface SliceStore {
  read(deadlineMs: number): Promise<SliceObservation | { readonly failed: string }>;
  write(write: SliceWrite, deadlineMs: number): Promise<SliceOutcome>;
}

/** Watches pods, StatefulSet, slices and control; calls back with whole observations. */
export interface GroupWatcher {
  start(listener: GroupListener): void;
  stop(): void;
}

export interface GroupListener {
  pods(pods: PodsObservation): void;
  slice(slice: SliceObservation): void;
  control(control: ControlObservation): void;
}
