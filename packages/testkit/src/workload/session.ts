/**
 * One client that does the same thing again and again, as an application would: one connection at
 * a time, reconnecting at once when it is lost, with a bounded back-off.
 *
 * Guarantees: a command is never re-sent behind the caller's back (ioredis' offline queue, retries
 * and resending are off), every await has a deadline, `stop` returns within two of them.
 * Does not interpret answers: `operate` does.
 */
import { Redis } from "ioredis";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";

export interface Address {
  readonly host: string;
  readonly port: number;
  /** ACL user. Default: the default one. */
  readonly username?: string;
  /** Default: without TLS. */
  readonly tls?: ConnectionOptions;
  /** `host` and `port` are a Sentinel's, which is asked for the primary that it calls so. */
  readonly masterSet?: string;
}

export interface SessionOptions {
  readonly address: Address;
  /** Tried in turn with `address`, whenever one of them did not do. Default: none. */
  readonly otherAddress?: Address | undefined;
  readonly password?: string | undefined;
  /** Pause between two operations. */
  readonly paceMs: number;
  /** Bound of each command, and of a connect unless that has its own. */
  readonly deadlineMs: number;
  readonly connectDeadlineMs?: number | undefined;
  /**
   * One operation. `broken` gives the connection up, so that the next one goes where the address
   * leads then. Must not throw.
   */
  readonly operate: (redis: Redis) => Promise<"done" | "broken">;
  /** The address did not take the connection: nothing was sent. `why` is the error's text. */
  readonly unreachable: (why: string) => void;
}

export interface Session {
  stop(): Promise<void>;
}

const SHORTEST_BACKOFF_MS = 2;
const LONGEST_BACKOFF_MS = 20;
/**
 * So often a new client gives its connection up after a success: a way back that was never gone
 * before takes 10 ms and more, and they would count as the group's gap.
 */
const REHEARSALS = 10;
/** Of the time in trouble: so much may a client add to the gap that it measures. */
const BACKOFF_SHARE = 0.1;

export function startSession(options: SessionOptions): Session {
  const stopping = new AbortController();
  const ended = runSession(options, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

async function runSession(options: SessionOptions, signal: AbortSignal): Promise<void> {
  let redis: Redis | null = null;
  let { address, otherAddress = address } = options;
  let lastDoneMs = performance.now();
  let rehearsals = REHEARSALS;
  while (!signal.aborted) {
    redis ??= await connect({ ...options, address }).catch((error: unknown) => {
      options.unreachable(error instanceof Error ? error.message : String(error));
      return null;
    });
    const done = redis !== null && (await options.operate(redis)) === "done";
    const rehearses = done && rehearsals > 0;
    if (rehearses) rehearsals -= 1;
    if (!done || rehearses) {
      redis?.disconnect();
      redis = null;
    }
    if (done) lastDoneMs = performance.now();
    else [address, otherAddress] = [otherAddress, address];
    await pause(done ? options.paceMs : backoffMs(performance.now() - lastDoneMs), signal);
  }
  redis?.disconnect();
}

/**
 * Sends nothing but a password, so that a client that comes back writes at once. Throws if it is
 * refused, reset or not in time, saying which.
 */
export async function connect(
  options: Pick<SessionOptions, "address" | "password" | "deadlineMs" | "connectDeadlineMs">,
): Promise<Redis> {
  const { masterSet, host, port, ...rest } = options.address;
  const place =
    masterSet === undefined ? { host, port } : { sentinels: [{ host, port }], name: masterSet };
  const redis = new Redis({
    ...place,
    ...rest,
    sentinelCommandTimeout: options.deadlineMs,
    sentinelRetryStrategy: () => null,
    ...(options.password === undefined ? {} : { password: options.password }),
    connectTimeout: options.connectDeadlineMs ?? options.deadlineMs,
    commandTimeout: options.deadlineMs,
    lazyConnect: true,
    protocol: 2,
    disableClientInfo: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    retryStrategy: null,
  });
  // A closed connection shows in the rejected command; without a listener ioredis prints it. A
  // connect that failed is rejected with no more than "closed": the reason comes by this event.
  let reason: Error | null = null;
  redis.on("error", (error: Error) => (reason ??= error));
  try {
    await redis.connect();
    return redis;
  } catch (error) {
    redis.disconnect();
    throw reason ?? error;
  }
}

function backoffMs(troubleMs: number): number {
  const share = troubleMs * BACKOFF_SHARE;
  return Math.min(LONGEST_BACKOFF_MS, Math.max(SHORTEST_BACKOFF_MS, share));
}

async function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  await sleep(durationMs, undefined, { signal }).catch(() => {});
}
