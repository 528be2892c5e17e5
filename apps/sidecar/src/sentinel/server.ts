/**
 * A port for clients that find their primary through Redis Sentinel: they need no change but the
 * host. It answers questions about the group and tells of changes of leader (`+switch-master`).
 *
 * Guarantees: nothing that arrives here changes anything; connections, what one may send before it
 * is read, and what one leaves unread are bounded; no answer takes a question to Redis or the API.
 * It asks for no password and takes any, for it tells nothing that the public port does not.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { Topology } from "../http/topology.ts";
import { answerSentinel, infoText, shown, type SentinelFacts } from "./answers.ts";
import { parseRequest, renderReply, type Reply, type Version } from "./protocol.ts";

export interface SentinelPort {
  readonly server: Server;
  /** The core has decided something: tells subscribers if the leader is another one. */
  turned(): void;
  close(): void;
}

export interface SentinelOptions {
  readonly masterSet: string;
  readonly port: number;
  readonly view: {
    current(): Topology;
    /** Asks the other members for their reports, for a quarter of a second at most. */
    refresh(): Promise<void>;
  };
}

const MAX_CONNECTIONS = 256;
const MAX_CHANNELS = 16;
const MAX_UNREAD_BYTES = 64 * 1024;
const MAX_REQUEST_BYTES = 16 * 1024;
const IDLE_MS = 300_000;
const SWITCH = "+switch-master";

interface Client {
  readonly socket: Socket;
  readonly id: number;
  version: Version;
  /** By what was asked for: a channel, or a pattern. */
  readonly channels: Set<string>;
  readonly patterns: Set<string>;
}

export function createSentinelPort({ masterSet, port, view }: SentinelOptions): SentinelPort {
  const clients = new Set<Client>();
  const facts = (): SentinelFacts => ({ topology: view.current(), masterSet, port });
  let known: Topology["leader"] = null;
  let connections = 0;

  const server = createServer((socket) => {
    connections += 1;
    const client: Client = {
      ...{ socket, id: connections, version: 2 },
      ...{ channels: new Set<string>(), patterns: new Set<string>() },
    };
    clients.add(client);
    socket.once("close", () => clients.delete(client));
    serve(client, { facts, refresh: () => view.refresh() });
  });
  server.maxConnections = MAX_CONNECTIONS;
  return {
    server,
    turned() {
      if (!server.listening) return;
      const { leader } = view.current();
      if (!leader || (leader.host === known?.host && leader.port === known.port)) return;
      const before = known;
      known = leader;
      if (!before) return;
      const words = [masterSet, before.host, before.port, leader.host, leader.port].join(" ");
      for (const client of clients) publish(client, words);
    },
    close() {
      server.close();
      for (const { socket } of clients) socket.destroy();
    },
  };
}

interface Context {
  readonly facts: () => SentinelFacts;
  readonly refresh: () => Promise<void>;
}

function serve(client: Client, context: Context): void {
  const { socket } = client;
  let input = Buffer.alloc(0);
  let isBusy = false;
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 30_000);
  socket.setTimeout(IDLE_MS, () => {
    if (client.channels.size + client.patterns.size === 0) socket.destroy();
  });
  socket.on("error", () => socket.destroy());
  const work = async (): Promise<void> => {
    for (;;) {
      const parsed = parseRequest(input);
      if (parsed === null) return;
      if ("invalid" in parsed) {
        return end(client, { error: `ERR Protocol error: ${parsed.invalid}` });
      }
      input = Buffer.from(parsed.rest);
      await answer(client, parsed.words, context);
      if (socket.destroyed || socket.writableEnded) return;
    }
  };
  socket.on("data", (chunk) => {
    input = Buffer.concat([input, chunk]);
    if (input.length > MAX_REQUEST_BYTES) return end(client, { error: "ERR too many requests" });
    if (isBusy) return;
    isBusy = true;
    // Whatever breaks here breaks one connection, not the process.
    void work()
      .catch(() => socket.destroy())
      .finally(() => (isBusy = false));
  });
}

async function answer(client: Client, words: readonly string[], context: Context): Promise<void> {
  const [command = "", ...rest] = words;
  switch (command.toLowerCase()) {
    case "sentinel":
      await context.refresh();
      return send(client, answerSentinel(rest, context.facts()));
    case "ping":
      return send(client, pong(client, rest[0]));
    case "hello":
      return send(client, hello(client, rest));
    case "auth":
      return send(client, OK);
    case "client":
      return send(client, clientAnswer(client, rest));
    case "subscribe":
    case "psubscribe":
      return subscribe(client, command.toLowerCase(), rest);
    case "unsubscribe":
    case "punsubscribe":
      return unsubscribe(client, command.toLowerCase(), rest);
    case "info":
      return send(client, infoText(context.facts()));
    case "role":
      return send(client, ["sentinel", [context.facts().masterSet]]);
    case "command":
      return send(client, []);
    case "quit":
      return end(client, OK);
    default:
      return send(client, { error: `ERR unknown command '${shown(command)}'` });
  }
}

const OK: Reply = { simple: "OK" };

function pong({ channels, patterns, version }: Client, words: string | undefined): Reply {
  const isSubscribed = channels.size + patterns.size > 0;
  if (isSubscribed && version === 2) return ["pong", words ?? ""];
  return words ?? { simple: "PONG" };
}

function hello(client: Client, [version = ""]: readonly string[]): Reply {
  if (version !== "" && version !== "2" && version !== "3") {
    return { error: "NOPROTO unsupported protocol version" };
  }
  if (version !== "") client.version = version === "3" ? 3 : 2;
  return {
    fields: [
      ["server", "redis"],
      ["version", "7.0.0"],
      ["proto", client.version],
      ["id", client.id],
      ["mode", "sentinel"],
      ["role", "master"],
      ["modules", []],
    ],
  };
}

function clientAnswer({ id }: Client, [subcommand = ""]: readonly string[]): Reply {
  const name = subcommand.toLowerCase();
  if (name === "id") return id;
  if (["setname", "setinfo", "no-evict", "no-touch", "reply"].includes(name)) return OK;
  return { error: `ERR unknown subcommand '${shown(subcommand)}'` };
}

function subscribe(client: Client, command: string, names: readonly string[]): void {
  const wanted = command === "subscribe" ? client.channels : client.patterns;
  for (const name of names) {
    if (client.channels.size + client.patterns.size >= MAX_CHANNELS && !wanted.has(name)) {
      return end(client, { error: `ERR ${MAX_CHANNELS} channels at most` });
    }
    wanted.add(name);
    tellSubscription(client, command, name);
  }
}

function unsubscribe(client: Client, command: string, names: readonly string[]): void {
  const wanted = command === "unsubscribe" ? client.channels : client.patterns;
  const leaving = names.length > 0 ? names : [...wanted];
  for (const name of leaving) {
    wanted.delete(name);
    tellSubscription(client, command, name);
  }
  if (leaving.length === 0) tellSubscription(client, command, null);
}

function tellSubscription(client: Client, command: string, name: string | null): void {
  send(client, { event: [command, name, client.channels.size + client.patterns.size] });
}

function publish(client: Client, words: string): void {
  if (client.channels.has(SWITCH)) send(client, { event: ["message", SWITCH, words] });
  for (const pattern of client.patterns) {
    const isMeant =
      pattern === SWITCH || (pattern.endsWith("*") && SWITCH.startsWith(pattern.slice(0, -1)));
    if (isMeant) send(client, { event: ["pmessage", pattern, SWITCH, words] });
  }
}

/** Who does not read what it asked for is dropped. */
function send({ socket, version }: Client, reply: Reply): void {
  if (socket.destroyed || socket.writableEnded) return;
  socket.write(renderReply(reply, version));
  if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
}

function end(client: Client, reply: Reply): void {
  send(client, reply);
  if (!client.socket.destroyed) client.socket.end();
}
