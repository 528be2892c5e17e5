import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { startBalancer, startBalancerThread, type Balancer } from "../src/balancer/index.ts";

/** Greets with its name, then echoes. */
async function startServer(name: string) {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.write(name);
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return {
    target: { host: "127.0.0.1", port },
    crash: () => {
      for (const socket of sockets) socket.resetAndDestroy();
    },
    close: () => server.close(),
  };
}

async function open(balancer: Pick<Balancer, "address">): Promise<Socket> {
  const socket = createConnection(balancer.address);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

const read = async (socket: Socket) => String((await once(socket, "data"))[0]);

describe("the balancer", () => {
  let balancer: Balancer;
  let a: Awaited<ReturnType<typeof startServer>>;
  let b: Awaited<ReturnType<typeof startServer>>;

  beforeEach(async () => {
    balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
    a = await startServer("a");
    b = await startServer("b");
  });

  afterEach(async () => {
    await balancer.close();
    a.crash();
    b.crash();
    a.close();
    b.close();
  });

  test("sends a new connection to the present target", async () => {
    balancer.setTarget(a.target);
    expect(await read(await open(balancer))).toBe("a");
    balancer.setTarget(b.target);
    expect(await read(await open(balancer))).toBe("b");
  });

  test("leaves an established connection where it is when the target changes", async () => {
    balancer.setTarget(a.target);
    const socket = await open(balancer);
    expect(await read(socket)).toBe("a");
    balancer.setTarget(b.target);
    socket.write("still here");
    expect(await read(socket)).toBe("still here");
  });

  test("resets a connection while nobody is the target", async () => {
    const socket = createConnection(balancer.address);
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNRESET");
  });

  test("hands a crash of the target on as a reset", async () => {
    balancer.setTarget(a.target);
    const socket = await open(balancer);
    await read(socket);
    a.crash();
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNRESET");
  });

  test("cuts what is open when it closes", async () => {
    balancer.setTarget(a.target);
    const socket = await open(balancer);
    await read(socket);
    await Promise.all([once(socket, "close"), balancer.close()]);
    balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
    expect(socket.destroyed).toBe(true);
  });

  test("does the same in a thread of its own, and cuts what is open when that ends", async () => {
    const thread = await startBalancerThread({ host: "127.0.0.1", port: 0 });
    try {
      thread.setTarget(b.target);
      const socket = await vi.waitFor(async () => {
        const tried = await open(thread);
        const [greeting] = await once(tried, "data", { signal: AbortSignal.timeout(200) });
        expect(String(greeting)).toBe("b");
        return tried;
      });
      await Promise.all([once(socket, "close"), thread.close()]);
    } finally {
      await thread.close();
    }
  });
});
