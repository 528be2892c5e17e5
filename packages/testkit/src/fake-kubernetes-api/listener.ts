/** The listening socket: knows whose connections are open, so that they can be cut. */
import { createServer } from "node:https";
import { createLoopbackCertificate } from "./certificate.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface Listener {
  readonly port: number;
  /** PEM of the certificate, which is its own authority. */
  readonly ca: string;
  /** Open connections, with the identity of their last request; empty before it. */
  readonly owners: ReadonlyMap<Socket, string>;
  owned(request: IncomingMessage, identity: string): void;
  /** Cuts all connections and waits until the port is free. */
  close(): Promise<void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const IDLE_CONNECTION_MS = 90_000;

/** Rejects if the port is taken. */
export async function listen(host: string, port: number, handler: Handler): Promise<Listener> {
  const { certPem, keyPem } = createLoopbackCertificate();
  const owners = new Map<Socket, string>();
  const server = createServer({ key: keyPem, cert: certPem }, handler);
  server.on("secureConnection", (socket) => {
    owners.set(socket, "");
    socket.on("close", () => owners.delete(socket));
  });
  // A client that leaves while it shakes hands is no news.
  server.on("tlsClientError", () => {});
  server.keepAliveTimeout = IDLE_CONNECTION_MS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    ca: certPem,
    owners,
    owned: ({ socket }, identity) => owners.set(socket, identity),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of owners.keys()) socket.destroy();
      server.closeAllConnections();
      await closed;
    },
  };
}
