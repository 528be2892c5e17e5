/** A TCP proxy that can swallow replies: what was asked arrives, and nobody hears of it. */
import { once } from "node:events";
import { createConnection, createServer, type AddressInfo, type Socket } from "node:net";

export interface LossyProxy {
  readonly host: string;
  readonly port: number;
  /** From now on no reply passes. */
  swallow(): void;
  /** From now on replies take so much longer, each. */
  delay(ms: number): void;
  /** Closes what is open; later connections pass again. */
  cut(): void;
  close(): Promise<void>;
}

/** `cutAt`: instead of passing such a request on, it closes the connection that brought it. */
export async function startProxy(
  target: { host: string; port: number },
  cutAt: (request: string) => boolean = () => false,
): Promise<LossyProxy> {
  const sockets = new Set<Socket>();
  let isSwallowing = false;
  let delayMs = 0;
  const server = createServer((client) => {
    const upstream = createConnection({ host: target.host, port: target.port });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (bytes) => {
      if (cutAt(String(bytes))) client.destroy();
      else upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      if (isSwallowing) return;
      if (delayMs === 0) client.write(bytes);
      else setTimeout(() => client.write(bytes), delayMs);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    host: "127.0.0.1",
    port,
    delay: (ms) => void (delayMs = ms),
    swallow: () => void (isSwallowing = true),
    cut() {
      for (const socket of sockets) socket.destroy();
      isSwallowing = false;
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
