import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { stringify } from "yaml";
import {
  CHART,
  find,
  helm,
  isHook,
  objectsIn,
  render,
  renderText,
  type Rendered,
} from "./render.ts";

const VALUE_FILES = readdirSync(join(CHART, "ci"));
const CI = VALUE_FILES.map((file) => file.replace("-values.yaml", ""));

test("helm lint --strict has nothing to say", async () => {
  const { code, stdout } = await helm(["lint", "--strict", "."]);
  expect(stdout).not.toMatch(/\[(WARNING|ERROR)\]/);
  expect(code).toBe(0);
});

test("the install without values is what was reviewed", async () => {
  const objects = await render({ values: { auth: { existingSecret: "given" } } });
  // Helm 3 and 4 order and space them differently; scripts have their own tests.
  const sorted = objects.toSorted((a, b) => titleOf(a).localeCompare(titleOf(b)));
  const text = sorted.map((object) => stringify(object, withoutScripts, { lineWidth: 0 }));
  await expect(text.join("---\n")).toMatchFileSnapshot("rendered/default.yaml");
});

function titleOf({ kind, metadata }: Rendered): string {
  return `${kind} ${metadata.name}`;
}

function withoutScripts(key: unknown, value: unknown): unknown {
  return /\.(sh|mjs)$/.test(String(key)) ? "…" : value;
}

test.for(CI)("the values %s render objects that Kubernetes can read", async (ci) => {
  const objects = await render({ ci });
  expect(objects.length).toBeGreaterThan(9);
  const names = objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
  expect(new Set(names).size).toBe(names.length);
  for (const { apiVersion, kind, metadata } of objects) {
    expect({ apiVersion, kind }).toEqual({
      apiVersion: expect.any(String),
      kind: expect.any(String),
    });
    expect(metadata.namespace).toBe(kind === "FlowSchema" ? undefined : "shop");
  }
});

test("with a Secret of one's own two renderings are equal, as GitOps needs it", async () => {
  const [first, second] = await Promise.all([
    renderText({ ci: "gitops" }),
    renderText({ ci: "gitops" }),
  ]);
  expect(first).toBe(second);
});

test("without one each rendering has a password of its own", async () => {
  const passwords = await Promise.all(
    [1, 2].map(async () => {
      const { data } = find(objectsIn(await renderText()), "Secret");
      return Buffer.from(data["redis-password"], "base64").toString();
    }),
  );
  expect(passwords[0]).toMatch(/^\w{32}$/);
  expect(passwords[0]).not.toBe(passwords[1]);
});

test("only test pods are hooks: helm test --logs takes every hook for a pod", async () => {
  const hooks = (await render({ values: { tests: { switchover: true } } })).filter(isHook);
  expect(hooks.map(titleOf).toSorted()).toEqual(
    ["read", "switchover", "write"].map((test) => `Pod orders-leasehold-test-${test}`),
  );
  for (const { metadata } of hooks) {
    expect(metadata.annotations["helm.sh/hook"]).toBe("test");
    expect(metadata.annotations["helm.sh/hook-delete-policy"]).toBe("before-hook-creation");
  }
});

test("files that follow from others are current", () => {
  const script = join(CHART, "document.ts");
  const run = () => execFileSync(process.execPath, [script, "--check"], { timeout: 30_000 });
  expect(run).not.toThrow();
});

test("the package holds the chart, and nothing that develops it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "leasehold-chart-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { code } = await helm(["package", ".", "--destination", folder]);
  expect(code).toBe(0);
  const [archive = ""] = readdirSync(folder);
  const list = execFileSync("tar", ["-tzf", join(folder, archive)], { encoding: "utf8" });
  const files = list.trim().split("\n");
  expect(files).toContain("leasehold/files/redis.sh");
  const allowed = /^leasehold\/(Chart|values|README|templates\/|files\/)/;
  expect(files.filter((file) => !allowed.test(file))).toEqual([]);
});

test("the notes tell addresses and commands, and never the password", async () => {
  const values = { auth: { password: "not-to-be-shown" } };
  const args = ["install", "orders", ".", "-n", "shop", "--dry-run=client", "-f", "-"];
  const { stdout } = await helm(args, JSON.stringify(values));
  const notes = stdout.slice(stdout.indexOf("NOTES:"));
  expect(notes).toContain("orders-leasehold.shop.svc.cluster.local:6379");
  expect(notes).toContain("orders-leasehold-read.shop.svc.cluster.local:6379");
  expect(notes).toContain("kubectl leasehold status -n shop orders-leasehold");
  expect(notes).toContain("kubectl get secret -n shop orders-leasehold");
  expect(notes).toContain("-l leasehold.dev/group=orders-leasehold");
  expect(notes).not.toContain("not-to-be-shown");
  expect(notes).not.toContain(Buffer.from("not-to-be-shown").toString("base64"));
});

test("nothing else shows it either, only the Secret", async () => {
  const objects = objectsIn(
    await renderText({ values: { auth: { password: "not-to-be-shown" } } }),
  );
  const others = objects.filter(({ kind }) => kind !== "Secret");
  expect(JSON.stringify(others)).not.toContain("not-to-be-shown");
  expect(find(objects, "Secret").data["redis-password"]).toBe(
    Buffer.from("not-to-be-shown").toString("base64"),
  );
});
