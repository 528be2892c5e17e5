/**
 * Opens a socket and asks the Redis behind it who it is, before anything else is written to it.
 *
 * Guarantees: the promise settles within `connectTimeoutMs + handshakeTimeoutMs`; on success the
 * socket is paused, has no `data` listener, and carries no unread byte; on failure it is destroyed.
 * The role comes from HELLO, so an ACL user without INFO is checked, too. What CLIENT and INFO do
 * not tell for want of permission is null.
 */
import { createConnection, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { decodeReplies, encodeCommand, type Reply } from "./resp.ts";
import type { Address, NodeProof } from "./types.ts";

export type History = Pick<
  NodeProof,
  "replicationId" | "previousReplicationId" | "branchOffset" | "offset"
>;

export interface PreflightOptions {
  readonly tls: ConnectionOptions | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly connectTimeoutMs: number;
  readonly handshakeTimeoutMs: number;
  /**
   * Asks Valkey to answer `-REDIRECT host:port` where it does not lead: to reads, too, which a
   * demoted leader would answer with what it has. A server that cannot says so, and goes on.
   */
  readonly isRedirected: boolean;
}

export interface Checked {
  readonly socket: Socket | TLSSocket;
  readonly proof: NodeProof;
}

export async function preflight(
  address: Address,
  options: PreflightOptions,
  signal: AbortSignal,
): Promise<Checked> {
  signal.throwIfAborted();
  const socket = open(address, options);
  // From here on there is always a listener: a late error of a socket must not end the process.
  socket.on("error", () => {});
  const abort = (): void => void socket.destroy(new Error("given up"));
  signal.addEventListener("abort", abort, { once: true });
  try {
    await connected(socket, options);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5_000);
    const startedAtMs = performance.now();
    const replies = await ask(socket, questionsOf(options), options.handshakeTimeoutMs);
    const proof = proofOf(replies, performance.now() - startedAtMs);
    return { socket, proof };
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function open({ host, port }: Address, { tls }: PreflightOptions): Socket | TLSSocket {
  if (!tls) return createConnection({ host, port });
  // An address is no name that a certificate could be for.
  const servername = /[a-z]/i.test(host) && !host.includes(":") ? { servername: host } : {};
  return connectTls({ host, port, ...servername, ...tls });
}

function connected(socket: Socket | TLSSocket, options: PreflightOptions): Promise<void> {
  const event = options.tls ? "secureConnect" : "connect";
  return settle(socket, { what: "connect", timeoutMs: options.connectTimeoutMs }, (resolve) => {
    socket.once(event, resolve);
    return () => socket.removeListener(event, resolve);
  });
}

function questionsOf(options: PreflightOptions): readonly (readonly string[])[] {
  const { username, password, isRedirected } = options;
  const auth = password === undefined ? [] : ["AUTH", username ?? "default", password];
  return [
    ["HELLO", "2", ...auth],
    ["PING"],
    ["CLIENT", "INFO"],
    ["INFO", "replication"],
    ...(isRedirected ? [["CLIENT", "CAPA", "redirect"]] : []),
  ];
}

function ask(
  socket: Socket | TLSSocket,
  questions: readonly (readonly string[])[],
  timeoutMs: number,
): Promise<readonly Reply[]> {
  let bytes: Buffer = Buffer.alloc(0);
  return settle<readonly Reply[]>(socket, { what: "handshake", timeoutMs }, (resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      try {
        const replies = decodeReplies(bytes, questions.length);
        if (!replies) return;
        // Before the listener goes: an unheard byte of a flowing stream would be lost.
        socket.pause();
        resolve(replies);
      } catch (error) {
        reject(error as Error);
      }
    };
    socket.on("data", onData);
    socket.write(questions.map(encodeCommand).join(""));
    return () => socket.removeListener("data", onData);
  });
}

/** Waits for one thing, the end of the socket, or the deadline; leaves no listener and no timer. */
function settle<T>(
  socket: Socket,
  { what, timeoutMs }: { readonly what: string; readonly timeoutMs: number },
  begin: (resolve: (value: T) => void, reject: (error: Error) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let lastError: Error | null = null;
    const onError = (error: Error): void => {
      lastError = error;
    };
    const onClose = (): void => fail(lastError ?? new Error(`closed during the ${what}`));
    const timer = setTimeout(() => {
      fail(new Error(`no answer to the ${what} within ${timeoutMs} ms`));
    }, timeoutMs);
    const clear = (): void => {
      clearTimeout(timer);
      socket.removeListener("error", onError);
      socket.removeListener("close", onClose);
      end();
    };
    const fail = (error: Error): void => {
      clear();
      reject(error);
    };
    socket.on("error", onError);
    socket.on("close", onClose);
    const end = begin((value) => {
      clear();
      resolve(value);
    }, fail);
  });
}

function proofOf(replies: readonly Reply[], rttMs: number): NodeProof {
  const [hello, ping, client, info] = replies;
  if (hello instanceof Error && !/^NOPERM|unknown command/i.test(hello.message)) throw hello;
  const greeting = pairsOf(hello ?? null);
  const fields = fieldsOf(info ?? null);
  const role = greeting.get("role") ?? fields.get("role");
  if (role === undefined) {
    throw new Error("it does not tell its role: allow its user HELLO or INFO");
  }
  const loading = ping instanceof Error && ping.message.startsWith("LOADING");
  const link = fields.get("master_link_status");
  if (ping instanceof Error && !loading && !/^(NOPERM|MASTERDOWN)/.test(ping.message)) throw ping;
  return {
    role: role === "master" ? "primary" : "replica",
    loading,
    isLinkUp: link === undefined ? null : link === "up",
    localAddress: typeof client === "string" ? (/\bladdr=(\S+)/.exec(client)?.[1] ?? null) : null,
    ...historyOf(fields),
    version: greeting.get("version") ?? null,
    rttMs,
  };
}

/** What INFO tells of the history of a server's data; null each: it does not. */
export function historyIn(info: string): History {
  return historyOf(fieldsOf(info));
}

function historyOf(fields: ReadonlyMap<string, string>): History {
  const previous = fields.get("master_replid2");
  const branch = fields.get("second_repl_offset");
  const offset = fields.get("master_repl_offset");
  return {
    replicationId: fields.get("master_replid") ?? null,
    previousReplicationId: previous === undefined || /^0+$/.test(previous) ? null : previous,
    branchOffset: branch === undefined || branch === "-1" ? null : BigInt(branch),
    offset: offset === undefined ? null : BigInt(offset),
  };
}

function pairsOf(reply: Reply): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  if (!Array.isArray(reply)) return pairs;
  for (let index = 0; index + 1 < reply.length; index += 2) {
    const [name, value] = [reply[index] as Reply, reply[index + 1] as Reply];
    if (typeof name === "string" && typeof value === "string") pairs.set(name, value);
  }
  return pairs;
}

function fieldsOf(reply: Reply): ReadonlyMap<string, string> {
  if (typeof reply !== "string") return new Map();
  const lines = reply.split("\r\n").map((line) => line.split(":"));
  return new Map(lines.flatMap(([name, value]) => (name && value ? [[name, value]] : [])));
}
