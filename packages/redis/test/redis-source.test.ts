/**
 * What becomes of a question that the source did not answer in time. A partition keeps the words of
 * an ended connection in the kernel, which sends them when it heals: after the opening, maybe.
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { createLoopbackCertificate } from "@leasehold/testkit/certificate";
import { expect, it } from "vitest";
import { createRedisSource } from "../src/index.ts";

const INFO =
  "role:master\r\nconnected_slaves:0\r\nmaster_replid:8e1b\r\nmaster_replid2:0000\r\n" +
  "master_repl_offset:7\r\nsecond_repl_offset:-1\r\n";

/** Answers the greeting, INFO and CONFIG GET; says nothing to CONFIG SET. */
function answer(socket: Socket, chunk: string): void {
  for (const command of chunk.split(/(?=\*\d+\r\n)/)) {
    if (/SET\r\n/i.test(command) && /CONFIG/i.test(command)) return;
    if (/INFO/i.test(command)) socket.write(`$${INFO.length}\r\n${INFO}\r\n`);
    else if (/CONFIG/i.test(command)) socket.write("*2\r\n$1\r\nx\r\n$1\r\n0\r\n");
    else if (/\r\nID\r\n/i.test(command)) socket.write(":1\r\n");
    else socket.write("+OK\r\n");
  }
}

const CERTIFICATE = createLoopbackCertificate();

const resets = "resets a connection whose closing was not answered, so that it comes no later";
it.each(["TCP", "TLS"])(`${resets} (%s)`, async (kind) => {
  const ended = Promise.withResolvers<string>();
  const speak = (socket: Socket): void => {
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => answer(socket, chunk));
    socket.once("end", () => ended.resolve("end"));
    socket.once("error", (error: NodeJS.ErrnoException) => ended.resolve(error.code ?? ""));
  };
  const { certPem: cert, keyPem: key } = CERTIFICATE;
  const server = kind === "TLS" ? createTlsServer({ cert, key }, speak) : createServer(speak);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    const tls = kind === "TLS" ? { tls: { ca: cert } } : {};
    const source = createRedisSource({ host: "127.0.0.1", port, ...tls });
    const outcome = await source.stand(true, 300);
    expect(outcome).toMatchObject({ kind: "failed" });
    expect(outcome).toMatchObject({ words: expect.stringContaining("did not answer in 300 ms") });
    expect(await ended.promise).toBe("ECONNRESET");
  } finally {
    server.close();
  }
});
