/**
 * Plays kube-proxy for one address on loopback: a new connection goes to the present target, an
 * established one stays where it is until one side closes it.
 *
 * Without a target a connection is reset at once, as kube-proxy rejects it. Does not look into the
 * stream, does not check health: the target is what the slice says.
 */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";

export interface Target {
  readonly host: string;
  readonly port: number;
}

export interface Balancer {
  readonly address: Target;
  /** Null: nobody. */
  setTarget(target: Target | null): void;
  target(): Target | null;
  /** Cuts all connections and frees the port. */
  close(): Promise<void>;
}

/** kube-proxy's clients see the kernel's time-out; here a dead target answers at once or never. */
const CONNECT_TIMEOUT_MS = 1000;

export async function startBalancer(listen: Target): Promise<Balancer> {
  let current: Target | null = null;
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true }, (client) => {
    track(client, open);
    if (current === null) client.resetAndDestroy();
    else join(client, current, open);
  });
  server.listen({ host: listen.host, port: listen.port });
  await once(server, "listening");
  return {
    address: { host: listen.host, port: portOf(server) },
    setTarget(target) {
      current = target;
    },
    target: () => current,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function join(client: Socket, target: Target, open: Set<Socket>): void {
  const upstream = createConnection({ ...target, noDelay: true });
  track(upstream, open);
  upstream.setTimeout(CONNECT_TIMEOUT_MS, () => upstream.destroy());
  upstream.once("connect", () => upstream.setTimeout(0));
  client.pipe(upstream);
  upstream.pipe(client);
  // A reset stays a reset: the client must not take a crash for an orderly end.
  upstream.once("close", () => client.resetAndDestroy());
  client.once("close", () => upstream.resetAndDestroy());
}

function track(socket: Socket, open: Set<Socket>): void {
  open.add(socket);
  socket.once("close", () => open.delete(socket));
  // The close that follows is what counts.
  socket.on("error", () => {});
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP address");
  return address.port;
}
