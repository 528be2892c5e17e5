/** What the process says and how it ends when its secrets cannot be used. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const SECRET = "very-secret-words";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "leasehold-start-"));
  for (const name of ["run", "data"]) mkdirSync(join(folder, name));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

interface End {
  readonly code: number | null;
  readonly output: string;
}

function run(auth: Record<string, unknown>, ...args: readonly string[]): Promise<End> {
  const settings = {
    group: "orders",
    namespace: "shop",
    member: { name: "orders-0", podUid: "u", host: "127.0.0.1" },
    directories: { run: join(folder, "run"), data: join(folder, "data") },
    kubernetes: { kubeconfig: join(folder, "none") },
    auth: { enabled: true, ...auth },
  };
  const env = { LEASEHOLD_CONFIG: file("sidecar.json", JSON.stringify(settings)) };
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [MAIN, ...args],
      { env, timeout: 20_000 },
      (_error, stdout, stderr) =>
        resolve({ code: child.exitCode, output: `${stdout}${stderr}`.replaceAll(folder, "") }),
    );
  });
}

it("a file that is not there ends the start with its name and what to do", async () => {
  const { code, output } = await run({ passwordFile: join(folder, "none") });
  expect(code).toBe(69);
  expect(output).toContain(
    "cannot start: Error: auth.passwordFile (/none) is not there: mount the Secret with it.",
  );
});

it("an empty file, too, and without what other files hold", async () => {
  const { code, output } = await run({
    passwordFile: file("password", SECRET),
    internalKeyFile: file("key", "\n"),
  });
  expect(code).toBe(69);
  expect(output).toContain("auth.internalKeyFile (/key) is empty: put the secret there.");
  expect(output).not.toContain(SECRET);
});

it("settings that contradict one another end it before any file is read", async () => {
  const { code, output } = await run({ users: ["default /p +@all"] });
  expect(code).toBe(64);
  expect(output).toContain("auth.enabled needs auth.passwordFile");
  expect(output).toContain("auth.users: `default` is a user of Leasehold itself");
});

it("--print-config shows where secrets are and none of them", async () => {
  const passwordFile = file("password", SECRET);
  const { code, output } = await run({ passwordFile }, "--print-config");
  expect(code).toBe(0);
  expect(output).toContain('"passwordFile": "/password"');
  expect(output).not.toContain(SECRET);
});
