import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { versionIn } from "../src/binaries.ts";
import { ENGINES, namesOf } from "../src/images/engines.ts";
import { writeImage } from "../src/images/oci.ts";
import { SIDECAR_CONFIG } from "../src/images/sidecar.ts";
import { REPOSITORY } from "../src/paths.ts";
import { run } from "../src/run.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "leasehold-images-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const IMAGE = {
  names: ["docker.io/library/a:1", "docker.io/library/a:1.2"],
  config: { User: "1" },
};

/** Writes the image of a folder that holds `text`, and was written at `seconds`. */
async function archiveOf(name: string, text: string, seconds: number): Promise<string> {
  const rootfs = join(folder, name);
  mkdirSync(rootfs);
  writeFileSync(join(rootfs, "file"), text);
  utimesSync(join(rootfs, "file"), seconds, seconds);
  const archive = join(folder, `${name}.tar`);
  await writeImage(rootfs, IMAGE, archive);
  return archive;
}

describe("an image", () => {
  test("depends on what is in its folder, and not on when that was written", async () => {
    const [first, later, other] = await Promise.all([
      archiveOf("first", "same", 1_000),
      archiveOf("later", "same", 2_000),
      archiveOf("other", "else", 1_000),
    ]);
    expect(readFileSync(later).equals(readFileSync(first))).toBe(true);
    expect(readFileSync(other).equals(readFileSync(first))).toBe(false);
  });

  test("has all its names in its index", async () => {
    const archive = await archiveOf("named", "x", 1_000);
    const { stdout } = await run("tar", ["-xOf", archive, "index.json"]);
    const { manifests } = JSON.parse(stdout) as { manifests: { annotations: object }[] };
    expect(manifests.map(({ annotations }) => annotations)).toEqual([
      { "io.containerd.image.name": IMAGE.names[0], "org.opencontainers.image.ref.name": "1" },
      { "io.containerd.image.name": IMAGE.names[1], "org.opencontainers.image.ref.name": "1.2" },
    ]);
  });
});

describe("an engine's image", () => {
  test("has the tags that the official one has", () => {
    const [redis7, , , valkey9] = ENGINES;
    expect(namesOf(redis7!, "7.0.15")).toEqual([
      "docker.io/library/redis:7",
      "docker.io/library/redis:7.0",
      "docker.io/library/redis:7.0.15",
    ]);
    expect(namesOf(valkey9!, "9.1.2")[0]).toBe("docker.io/valkey/valkey:9");
  });
});

describe("the sidecar's image", () => {
  const dockerfile = readFileSync(join(REPOSITORY, "images", "sidecar", "Dockerfile"), "utf8");

  test("starts as its Dockerfile says", () => {
    const entrypoint = /^ENTRYPOINT (.+)$/m.exec(dockerfile)?.[1] ?? "";
    expect(JSON.parse(entrypoint)).toEqual(SIDECAR_CONFIG.Entrypoint);
    expect(/^USER (.+)$/m.exec(dockerfile)?.[1]).toBe(SIDECAR_CONFIG.User);
    expect(/^ENV (.+)$/m.exec(dockerfile)?.[1]?.split(" ")).toEqual(SIDECAR_CONFIG.Env);
  });
});

describe("the version of a module", () => {
  const goMod =
    "module a\n\nrequire k8s.io/kubernetes v1.36.3\n\nrequire (\n\tb.c/d/v2 v2.3.7 // indirect\n)\n";

  test("is read from go.mod, alone or in a block", () => {
    expect(versionIn(goMod, "k8s.io/kubernetes")).toBe("1.36.3");
    expect(versionIn(goMod, "b.c/d/v2")).toBe("2.3.7");
  });

  test("that is not required is an error", () => {
    expect(() => versionIn(goMod, "b.c/d")).toThrow("go.mod requires no b.c/d");
  });
});
