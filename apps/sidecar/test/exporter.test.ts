import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { hashOf } from "../src/auth/credentials.ts";
import { exporterUsers } from "../src/auth/exporter.ts";
import { readSettings } from "../src/settings/settings.ts";

async function settingsWith(exporterFile: string) {
  const member = { name: "orders-0", podUid: "1", host: "10.0.0.1" };
  const auth = { enabled: true, passwordFile: "/p", exporterFile };
  const fileText = JSON.stringify({ group: "orders", namespace: "shop", member, auth });
  const read = await readSettings({ fileText, environment: {} });
  if (!read.ok) throw new Error(read.errors.join(" "));
  return read.settings;
}

it("gives the exporter a password of the pod's, which a sidecar that comes back finds", async () => {
  const folder = mkdtempSync(join(tmpdir(), "leasehold-exporter-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "passwords.json");
  const settings = await settingsWith(file);
  const users = exporterUsers(settings);
  const text = readFileSync(file, "utf8");
  const passwords = JSON.parse(text) as Record<string, string>;
  const password = passwords["redis://localhost:6379"] ?? "";
  expect(passwords["redis://leasehold-exporter@localhost:6379"]).toBe(password);
  expect(password.length).toBeGreaterThan(40);
  expect(users).toMatchObject([{ name: "leasehold-exporter", hashes: [hashOf(password)] }]);
  expect(statSync(file).mode & 0o077).toBe(0);
  expect(exporterUsers(settings)).toEqual(users);
  expect(readFileSync(file, "utf8")).toBe(text);
  writeFileSync(file, "broken");
  expect(exporterUsers(settings)[0]!.hashes).not.toEqual(users[0]!.hashes);
});

it("has no such user where nobody asked for it", async () => {
  expect(exporterUsers(await settingsWith(""))).toEqual([]);
});
