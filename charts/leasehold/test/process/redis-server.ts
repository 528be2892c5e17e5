/** Plain redis-servers of the machine, for one test each: gone with it, whatever its end. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** It may not listen yet. `lines`: of its file, as redis.conf has them. */
export async function startRedisServer(
  lines: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<ServerAddress> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), "leasehold-redis-"));
  const file = join(dir, "redis.conf");
  const own = [`port ${port}`, "bind 127.0.0.1", `dir ${dir}`];
  writeFileSync(file, `${[...own, ...lines].join("\n")}\n`);
  const server = spawn("redis-server", [file, ...flags], { stdio: "ignore" });
  onTestFinished(async () => {
    server.kill("SIGKILL");
    await new Promise((resolve) => server.once("exit", resolve));
    rmSync(dir, { recursive: true });
  });
  return { host: "127.0.0.1", port };
}
