/** The application as its users start it, a process of its own, and what it prints. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

export interface Application {
  readonly url: string;
  /** Orders whose mail was delivered, as often as it was. */
  readonly mails: readonly string[];
  /** What it wrote on standard error. */
  complaints(): string;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

const FOLDER = join(import.meta.dirname, "../..");

export async function startApplication(leaseholdUrl: string): Promise<Application> {
  const port = await freePort();
  const child = spawn(process.execPath, ["src/main.ts"], {
    cwd: FOLDER,
    env: { PATH: process.env["PATH"], LEASEHOLD_URL: leaseholdUrl, PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (data: Buffer) => (errors += data.toString()));
  const mails: string[] = [];
  const lines = createInterface(child.stdout);
  lines.on("line", (line) => {
    if (line.startsWith("mail: ")) mails.push(line.slice("mail: ".length));
  });
  const ended = once(child, "exit") as Promise<[number | null]>;
  const [line] = (await Promise.race([once(lines, "line"), ended])) as [string | number | null];
  if (line !== "listening") throw new Error(`the application did not start: ${errors || line}`);
  return {
    url: `http://127.0.0.1:${port}`,
    mails,
    complaints: () => errors,
    stop: () => stop(child, ended),
  };
}

async function stop(child: ChildProcess, ended: Promise<[number | null]>): Promise<number | null> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  const [code] = await ended;
  clearTimeout(timer);
  return code;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
