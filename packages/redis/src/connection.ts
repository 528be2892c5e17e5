/**
 * One connection to Redis, for one life.
 *
 * Guarantees: it is never re-opened, so nothing is ever sent twice; nothing is queued before it
 * is open; commands are answered in the order in which they were asked; beside authentication it
 * sends only its name, `CLIENT NO-EVICT` and `CLIENT ID`, and waits for their answers, so that
 * Redis has accepted it and lists it by its name before its first command. Opening has a
 * deadline; the caller bounds the rest with `within` and closes what is late.
 */
import { createConnection, Socket } from "node:net";
import { Redis, type RedisOptions } from "ioredis";
import { LATE, within } from "./deadline.ts";
import {
  classifyRefusal,
  distrustsCertificate,
  explainRefusal,
  messageOf,
  nobodyListens,
  type Refusal,
} from "./errors.ts";
import {
  describeEndpoint,
  passwordOf,
  userOf,
  type RedisEndpoint,
  type RedisServerOptions,
} from "./options.ts";

/** A command with its arguments. */
export type Command = readonly [string, ...string[]];

export type Reply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly refusal: Refusal; readonly message: string };

/** `closed`: the connection ended before the last answer; which commands were executed is open. */
export type Answer = { readonly closed: false; readonly replies: readonly Reply[] } | Closed;

interface Closed {
  readonly closed: true;
  readonly message: string;
}

export interface Connection {
  /** `CLIENT ID`. */
  readonly id: number;
  isOpen(): boolean;
  /** Never rejects. Bound it with `within`. */
  ask(commands: readonly Command[]): Promise<Answer>;
  /** At once; open questions are answered with `closed`. What was not sent yet still may be. */
  close(): void;
  /** As `close`, and what a cut holds up is never sent: the kernel forgets it (TCP alone). */
  abort(): void;
}

export type Opening = { readonly kind: "open"; readonly connection: Connection } | Failure;

export type Failure =
  /** No process listens. */
  | { readonly kind: "nobody"; readonly message: string }
  /** No answer within the deadline. */
  | { readonly kind: "silent"; readonly message: string }
  /** Ended by the other side (`max number of clients reached`, a dying Redis), or not reachable. */
  | { readonly kind: "hungUp"; readonly message: string }
  /** It answers, but does not let us in now. */
  | { readonly kind: "refused"; readonly refusal: Refusal; readonly message: string };

export interface OpenRequest {
  /** As `CLIENT LIST` shows it. */
  readonly name: string;
  readonly deadlineMs: number;
  /** Called once if the other side ends the connection after it was open. */
  readonly onClosed: () => void;
}

export async function openConnection(
  options: RedisServerOptions,
  request: OpenRequest,
): Promise<Opening> {
  const endAtMs = performance.now() + request.deadlineMs;
  const where = describeEndpoint(options);
  const carrier = "socket" in options || !options.tls ? null : carrierTo(options);
  const redis = new Redis(redisOptions(options, carrier));
  let lastError: unknown = null;
  redis.on("error", (error: unknown) => (lastError = error));
  const fail = (failure: Failure): Opening => {
    redis.disconnect();
    carrier?.destroy();
    return failure;
  };

  const connected = await within(request.deadlineMs, settle(redis.connect()));
  if (connected === LATE) {
    return fail({ kind: "silent", message: `${where} did not let us in within the deadline` });
  }
  if (!connected.ok) return fail(explainFailure(lastError ?? connected.error, options));

  const ask = asker(redis, userOf(options));
  const greeting = await within(endAtMs - performance.now(), ask(greet(request.name)));
  if (greeting === LATE) {
    return fail({ kind: "silent", message: `${where} accepted the connection and said nothing` });
  }
  if (greeting.closed) return fail(explainFailure(lastError ?? greeting.message, options));
  const [named, , identified] = greeting.replies;
  if (named?.ok === false) return fail({ kind: "refused", ...named });
  if (identified?.ok === false) return fail({ kind: "refused", ...identified });

  redis.once("close", request.onClosed);
  const close = (): void => {
    redis.off("close", request.onClosed);
    redis.disconnect();
  };
  const abort = (): void => {
    const stream = carrier ?? redis.stream;
    redis.off("close", request.onClosed);
    if (stream instanceof Socket) stream.resetAndDestroy();
    redis.disconnect();
  };
  const isOpen = (): boolean => redis.status === "ready";
  const id = Number(identified?.value);
  return { kind: "open", connection: { id, isOpen, ask, close, abort } };
}

/**
 * Does a process listen there? Null: not to be told within the deadline. Asks the kernel alone:
 * a hung Redis listens, and a dead one does not, even while its BGSAVE keeps sockets open.
 */
export async function isListening(
  endpoint: RedisEndpoint,
  deadlineMs: number,
): Promise<boolean | null> {
  const target =
    "socket" in endpoint ? { path: endpoint.socket } : { host: endpoint.host, port: endpoint.port };
  const socket = createConnection(target);
  const knock = new Promise<boolean | null>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", (error) => resolve(nobodyListens(error) ? false : null));
  });
  const answer = await within(deadlineMs, knock);
  socket.destroy();
  return answer === LATE ? null : answer;
}

/** What carries TLS: only a plain socket can be reset. Its errors come out at the TLS end. */
function carrierTo({ host, port }: { readonly host: string; readonly port: number }): Socket {
  return createConnection({ host, port, noDelay: true }).on("error", () => undefined);
}

/** ioredis without anything that it does by itself. */
function redisOptions(options: RedisServerOptions, carrier: Socket | null) {
  const { username = "" } = options;
  const password = passwordOf(options);
  const tls = "socket" in options ? undefined : options.tls;
  return {
    ...("socket" in options
      ? { path: options.socket }
      : {
          host: options.host,
          port: options.port,
          ...(tls && carrier ? { tls: { ...tls, socket: carrier } } : {}),
        }),
    ...(password === "" ? {} : { password, ...(username === "" ? {} : { username }) }),
    lazyConnect: true,
    retryStrategy: null,
    reconnectOnError: null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    enableReadyCheck: false,
    disableClientInfo: true,
    protocol: 2,
    connectTimeout: 0,
    disconnectTimeout: 0,
  } satisfies RedisOptions;
}

/** NO-EVICT: `maxmemory-clients` of Redis 7 must not choose us; 6.2 does not know it. */
function greet(name: string): readonly Command[] {
  return [
    ["CLIENT", "SETNAME", name],
    ["CLIENT", "NO-EVICT", "ON"],
    ["CLIENT", "ID"],
  ];
}

function asker(redis: Redis, user: string): Connection["ask"] {
  return async (commands) => {
    const sent = commands.map(([name, ...args]) => settle(redis.call(name, ...args)));
    const replies = (await Promise.all(sent)).map((result) => toReply(result, user));
    const answered = replies.filter((reply) => reply !== null);
    if (answered.length === replies.length) return { closed: false, replies: answered };
    return { closed: true, message: "the connection ended before the answer" };
  };
}

type Settled =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: unknown };

async function settle(promise: Promise<unknown>): Promise<Settled> {
  try {
    return { ok: true, value: await promise };
  } catch (error) {
    return { ok: false, error };
  }
}

/** Null: no answer of Redis. A transaction that contains an error has failed. */
function toReply(result: Settled, user: string): Reply | null {
  const error = result.ok ? errorWithin(result.value) : result.error;
  if (error === null && result.ok) return { ok: true, value: result.value };
  if (!isErrorReply(error)) return null;
  const message = explainRefusal(error.message, user);
  return { ok: false, refusal: classifyRefusal(error.message), message };
}

function errorWithin(value: unknown): unknown {
  return Array.isArray(value) ? (value.find((item) => item instanceof Error) ?? null) : null;
}

function isErrorReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

function explainFailure(error: unknown, options: RedisServerOptions): Failure {
  const words = messageOf(error);
  if (nobodyListens(error)) return { kind: "nobody", message: words };
  if (distrustsCertificate(error)) {
    const message = `${words} (compare the sidecar's CA with the certificate of Redis)`;
    return { kind: "refused", refusal: "denied", message };
  }
  const refusal = classifyRefusal(words);
  if (!isErrorReply(error) || refusal === "refused") return { kind: "hungUp", message: words };
  return { kind: "refused", refusal, message: explainRefusal(words, userOf(options)) };
}
