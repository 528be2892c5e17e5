/**
 * The way on which the own Redis follows a primary outside the group: a port on loopback, which
 * leads to that primary and proves itself there.
 *
 * So Redis keeps the group's credentials, which are rotated meanwhile, and the source's are no part
 * of its configuration. Guarantees: everything between the handshake and the end of a connection
 * passes unchanged, both ways, with backpressure; the source is told no address of the group, so
 * that a Sentinel beside it takes no member for a replica of its own; without this process nobody
 * follows. Does not decide whether Redis follows. Whoever shares the pod's network can follow, too.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { encodeCommand, takeCommands } from "./handshake.ts";

export interface RelaySource {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  /** Asked for each connection: a rotated one needs no restart. Empty: none. */
  readonly password: () => Promise<string>;
  /** The same of what TLS needs; null: it speaks none. */
  readonly secure: (() => Promise<ConnectionOptions>) | null;
}

export interface Relay {
  /** Where Redis reaches the source. */
  readonly address: { readonly host: string; readonly port: number };
  close(): void;
}

const LOOPBACK = "127.0.0.1";
const CONNECT_MS = 5_000;
/** A Redis has one upstream; a second connection may come before the first has ended. */
const CONNECTIONS_MAX = 4;
/** An answer to AUTH is shorter. */
const LINE_MAX = 4_096;

/** Rejects if no port is to be had on loopback. */
export async function openRelay(
  source: RelaySource,
  warn: (words: string) => void,
): Promise<Relay> {
  const open = new Set<Socket>();
  /** Redis tries again each second: the same trouble is told once. */
  let told = "";
  const tell = (words: string): void => {
    if (words !== told && words !== "") warn(words);
    told = words;
  };
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (replica) => {
    open.add(replica);
    replica.on("error", () => replica.destroy());
    replica.once("close", () => open.delete(replica));
    relay(replica, source).then(
      () => tell(""),
      (error: unknown) => {
        tell(`the source ${source.host}:${source.port} cannot be followed: ${String(error)}`);
        replica.destroy();
      },
    );
  });
  server.maxConnections = CONNECTIONS_MAX;
  const port = await listening(server);
  return {
    address: { host: LOOPBACK, port },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, LOOPBACK, () => resolve((server.address() as AddressInfo).port));
  });
}

async function relay(replica: Socket, source: RelaySource): Promise<void> {
  const password = await source.password();
  const to = { host: source.host, port: source.port, noDelay: true };
  const tls = (await source.secure?.()) ?? null;
  if (replica.destroyed) return;
  const upstream = tls === null ? connect(to) : connectTls({ ...to, ...tls });
  replica.once("close", () => upstream.destroy());
  upstream.once("close", () => replica.destroy());
  upstream.on("error", () => upstream.destroy());
  await connected(upstream, tls === null ? "connect" : "secureConnect");
  if (password !== "") await prove(upstream, source.username, password);
  upstream.pipe(replica);
  shakeHands(replica, upstream);
}

function connected(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(), CONNECT_MS);
    let why = "";
    socket.once("error", (error) => (why = `: ${error.message}`));
    socket.once(event, () => {
      clearTimeout(timer);
      resolve();
    });
    socket.once("close", () => {
      clearTimeout(timer);
      reject(new Error(`it does not take a connection${why}`));
    });
  });
}

/** Sends AUTH and waits for its `+OK`. Nothing else has been asked, so nothing else can come. */
function prove(upstream: Socket, username: string, password: string): Promise<void> {
  const names = username === "" ? [password] : [username, password];
  upstream.write(encodeCommand(["AUTH", ...names]));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => upstream.destroy(), CONNECT_MS);
    let line = "";
    const end = (error?: Error): void => {
      clearTimeout(timer);
      upstream.off("data", read);
      upstream.pause();
      if (error) reject(error);
      else resolve();
    };
    const read = (chunk: Buffer): void => {
      line += chunk.toString("latin1");
      if (!line.includes("\r\n") && line.length < LINE_MAX) return;
      end(line.startsWith("+") ? undefined : new Error(line.trim().slice(1)));
    };
    upstream.on("data", read);
    upstream.once("close", () => end(new Error("it ended the connection at AUTH")));
  });
}

/** Until PSYNC each command is looked at; from there on the bytes are Redis' own business. */
function shakeHands(replica: Socket, upstream: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    const taken = takeCommands(Buffer.concat([rest, chunk]));
    if (taken === null) {
      replica.destroy();
      return;
    }
    rest = taken.rest;
    upstream.write(taken.passes);
    if (!taken.isOver) return;
    replica.off("data", read);
    upstream.write(rest);
    replica.pipe(upstream);
  };
  replica.on("data", read);
  replica.resume();
}
