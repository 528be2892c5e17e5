/**
 * A Redis outside the group, as it is before people move in, and its writers, which go to the group
 * once the old one refuses them.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createLoopbackCertificate } from "@leasehold/testkit/certificate";
import { Redis } from "ioredis";

export interface SourceServer {
  readonly host: string;
  readonly port: number;
  /** The same with TLS, and who signed its certificate. */
  readonly tlsPort: number;
  readonly caFile: string;
  /** Of the user that the group follows with. */
  readonly passwordFile: string;
  client(): Redis;
  signal(name: "SIGSTOP" | "SIGCONT"): void;
  stop(): Promise<void>;
}

export const SOURCE_USER = "mover";
const RULES =
  "-@all +ping +replconf +psync +info +config|get +config|set +client|setname +client|id";

export async function startSource(): Promise<SourceServer> {
  const directory = mkdtempSync(join(tmpdir(), "leasehold-source-"));
  const port = await freePort();
  const passwordFile = join(directory, "password");
  writeFileSync(passwordFile, "let me move\n");
  const file = join(directory, "redis.conf");
  const user = `user ${SOURCE_USER} on ">let me move" ${RULES}`;
  const tlsPort = await freePort();
  const { certPem, keyPem } = createLoopbackCertificate();
  const [caFile, keyFile] = [join(directory, "ca.crt"), join(directory, "tls.key")];
  writeFileSync(caFile, certPem);
  writeFileSync(keyFile, keyPem);
  const tls = [
    `tls-port ${tlsPort}`,
    `tls-cert-file ${caFile}`,
    `tls-key-file ${keyFile}`,
    `tls-ca-cert-file ${caFile}`,
    "tls-auth-clients no",
  ];
  const lines = [`port ${port}`, "bind 127.0.0.1", `dir ${directory}`, 'save ""', user, ...tls];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const server = spawn("redis-server", [file], { stdio: "ignore" });
  const clients: Redis[] = [];
  const client = (): Redis => {
    const redis = new Redis({ host: "127.0.0.1", port, maxRetriesPerRequest: 20 });
    redis.on("error", () => undefined);
    clients.push(redis);
    return redis;
  };
  await client().ping();
  return {
    host: "127.0.0.1",
    port,
    tlsPort,
    caFile,
    passwordFile,
    client,
    signal(name) {
      server.kill(name);
    },
    async stop() {
      for (const one of clients) one.disconnect();
      server.kill("SIGKILL");
      await once(server, "exit");
      rmSync(directory, { recursive: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export interface Mover {
  readonly name: string;
  /** Every token whose write was acknowledged, in order. */
  readonly acknowledged: readonly string[];
  /** Longest time between two of them, in milliseconds. */
  readonly gapMs: number;
  stop(): Promise<void>;
}

/** Appends a token to a list of its own, again and again; `next` is where it goes when refused. */
export function startMover(name: string, source: Redis, next: () => Redis | null): Mover {
  const acknowledged: string[] = [];
  let gapMs = 0;
  let lastMs = performance.now();
  const stopping = new AbortController();
  let at: Redis | null = source;
  const run = async (): Promise<void> => {
    for (let count = 0; !stopping.signal.aborted; count += 1) {
      const token = `${name}-${count}`;
      try {
        if (at === null) throw new Error("nowhere to go yet");
        await at.rpush(name, token);
        const nowMs = performance.now();
        acknowledged.push(token);
        gapMs = Math.max(gapMs, nowMs - lastMs);
        lastMs = nowMs;
        await sleep(1);
      } catch {
        at = next();
        await sleep(5);
      }
    }
  };
  const ended = run();
  return {
    name,
    acknowledged,
    get gapMs() {
      return gapMs;
    },
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}
