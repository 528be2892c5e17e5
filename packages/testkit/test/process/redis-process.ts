/** A plain redis-server on loopback, without persistence, for one test. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { Address } from "../../src/workload/index.ts";

export interface RedisProcess {
  readonly address: Address;
  kill(): Promise<void>;
}

export async function startRedis(): Promise<RedisProcess> {
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", "/"];
  args.push("--repl-diskless-sync-delay", "0");
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  let log = "";
  for await (const chunk of child.stdout) {
    log += String(chunk);
    if (log.includes("Ready to accept connections")) break;
  }
  return {
    address: { host: "127.0.0.1", port },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
