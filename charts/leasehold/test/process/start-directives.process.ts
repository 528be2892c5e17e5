/** The chart restarts pods for the directives that Redis takes at its start alone: it knows all. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { eventually, openRedis } from "../../files/tests/client.mjs";
import { chartFile } from "../render.ts";

function patternIn(template: string, file: string): RegExp {
  const [, words = ""] = new RegExp(`"${template}" -}}\n(.*)\n`).exec(chartFile(file)) ?? [];
  return new RegExp(`^(${words})$`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A Redis server of the machine, without a file. */
async function startRedis() {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), "leasehold-directives-"));
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", ""];
  const server = spawn("redis-server", args, { stdio: "ignore" });
  onTestFinished(async () => {
    server.kill("SIGKILL");
    await new Promise((resolve) => server.once("exit", resolve));
    rmSync(dir, { recursive: true });
  });
  const address = { host: "127.0.0.1", port };
  const names = { group: "none", namespace: "none", patienceMs: 0, passwordFile: null, tls: null };
  const target = { ...names, write: address, read: null, members: [] };
  return eventually(10_000, () => openRedis(address, target));
}

test("each directive that a running Redis refuses to change is one of the list", async () => {
  const redis = await startRedis();
  const listed = patternIn("leasehold.startDirectives", "templates/_settings.tpl");
  const reserved = patternIn("leasehold.reservedDirectives", "templates/_refusals.tpl");
  const all = (await redis.ask("CONFIG", "GET", "*")) as readonly string[];
  const names = all.filter((_, index) => index % 2 === 0);
  expect(names.length).toBeGreaterThan(100);
  const refused: string[] = [];
  for (const name of names) {
    const value = all[all.indexOf(name) + 1] ?? "";
    const error = await redis.ask("CONFIG", "SET", name, value).then(
      () => "",
      (reason: Error) => reason.message,
    );
    if (error.includes("immutable")) refused.push(name);
  }
  redis.close();
  expect(refused.length).toBeGreaterThan(10);
  expect(refused.filter((name) => !listed.test(name) && !reserved.test(name))).toEqual([]);
});
