import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { listenPatiently } from "../src/listen.ts";

const servers: Server[] = [];

function server(): Server {
  const made = createServer();
  servers.push(made);
  return made;
}

afterEach(async () => {
  await Promise.all(
    servers.splice(0).map(
      (made) =>
        new Promise<void>((resolve) => {
          made.close(() => resolve());
        }),
    ),
  );
});

async function taken(): Promise<{ readonly holder: Server; readonly port: number }> {
  const holder = server();
  await listenPatiently(holder, { host: "127.0.0.1", port: 0 }, 0);
  return { holder, port: (holder.address() as AddressInfo).port };
}

it("waits for a predecessor that still holds the port", async () => {
  const { holder, port } = await taken();
  const next = server();
  const bound = listenPatiently(next, { host: "127.0.0.1", port }, 5_000);
  holder.close();
  await bound;
  expect((next.address() as AddressInfo).port).toBe(port);
});

it("gives up with the system's error when the predecessor never goes", async () => {
  const { port } = await taken();
  const next = server();
  await expect(listenPatiently(next, { host: "127.0.0.1", port }, 0)).rejects.toThrow("EADDRINUSE");
});

it("does not wait where waiting cannot help", async () => {
  const next = server();
  const elsewhere = { host: "192.0.2.1", port: 1 };
  await expect(listenPatiently(next, elsewhere, 60_000)).rejects.toThrow("EADDRNOTAVAIL");
});
