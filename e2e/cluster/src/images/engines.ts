/**
 * Images that stand in for the official ones of Redis and Valkey: the same names, paths, user 999
 * and entrypoint, made of Debian's packages. They lack modules, and tools other than a shell's.
 */
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SHELL_FOLDER } from "../paths.ts";
import { run } from "../run.ts";
import { createRootfs, slim } from "./debian.ts";
import type { DebianPackages, Suite } from "./debian.ts";
import type { Image } from "./oci.ts";

export interface Engine {
  readonly name: "redis" | "valkey";
  readonly major: number;
  readonly suite: Suite;
  readonly libraries: readonly string[];
  /** Tags besides those of its version: what the chart asks for when nobody says anything. */
  readonly alsoCalled?: string;
}

const SHELL = ["dash", "coreutils", "findutils", "grep", "sed", "util-linux"];
const SHELL_LIBRARIES = [
  "libc6",
  "libacl1",
  "libattr1",
  "libselinux1",
  "libpcre2-8-0",
  "libcap-ng0",
];
const LIBRARIES = ["libatomic1", "libjemalloc2", "liblzf1", "libsystemd0", "libcap2", "libstdc++6"];
const COMMON = [...SHELL, ...SHELL_LIBRARIES, ...LIBRARIES, "libgcc-s1", "libzstd1", "zlib1g"];
const NEWER = ["libssl3t64", "libgmp10"];

export const ENGINES: readonly Engine[] = [
  {
    name: "redis",
    major: 7,
    suite: "bookworm",
    libraries: ["libssl3", "libgcrypt20", "libgpg-error0", "liblzma5", "liblz4-1", "libgmp10"],
  },
  { name: "redis", major: 8, suite: "trixie", libraries: NEWER, alsoCalled: "8.0.4" },
  { name: "valkey", major: 8, suite: "trixie", libraries: NEWER, alsoCalled: "8.1.4" },
  { name: "valkey", major: 9, suite: "forky", libraries: NEWER },
];

const UID = 999;

/** Fills the folder, and resolves with what is left to say about the image. */
export async function fillEngine(
  engine: Engine,
  debian: DebianPackages,
  rootfs: string,
): Promise<Image> {
  const { name, suite, libraries } = engine;
  const server = [`${name}-server`, `${name}-tools`];
  await createRootfs(rootfs);
  await debian.unpack([...server, ...COMMON, ...libraries], suite, rootfs);
  await slim(rootfs);
  await placeAsOfficial(engine, rootfs);
  const version = debian.versionOf(`${name}-server`, suite).replace(/[^\d.].*$/, "");
  return { names: namesOf(engine, version), config: configOf(engine) };
}

/** "8.0.2" is also called "8.0" and "8", as on the official page. */
export function namesOf({ name, alsoCalled }: Engine, version: string): string[] {
  const repository = name === "redis" ? "docker.io/library/redis" : "docker.io/valkey/valkey";
  const [major = "", minor = ""] = version.split(".");
  const tags = new Set([major, `${major}.${minor}`, version, alsoCalled ?? version]);
  return [...tags].map((tag) => `${repository}:${tag}`);
}

function configOf({ name }: Engine): Image["config"] {
  return {
    Entrypoint: ["docker-entrypoint.sh"],
    Cmd: [`${name}-server`],
    Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    WorkingDir: "/data",
    ExposedPorts: { "6379/tcp": {} },
    Volumes: { "/data": {} },
  };
}

async function placeAsOfficial({ name }: Engine, rootfs: string): Promise<void> {
  const path = (inside: string) => join(rootfs, inside);
  await mkdir(path("usr/local/bin"), { recursive: true });
  await mkdir(path("data"));
  await chown(path("data"), UID, UID);
  const move =
    'for file in usr/bin/"$1"-*; do mv "$file" usr/local/bin/; done; ln -sf dash usr/bin/sh';
  await run("sh", ["-ec", move, "move", name], { cwd: rootfs });
  const entrypoint = await readFile(join(SHELL_FOLDER, "docker-entrypoint.sh"), "utf8");
  await writeFile(
    path("usr/local/bin/docker-entrypoint.sh"),
    entrypoint.replaceAll("@engine@", name),
  );
  await chmod(path("usr/local/bin/docker-entrypoint.sh"), 0o755);
  await writeFile(
    path("etc/passwd"),
    `root:x:0:0:root:/root:/bin/sh\n${name}:x:${UID}:${UID}::/home/${name}:/bin/sh\n` +
      "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
  );
  await writeFile(path("etc/group"), `root:x:0:\n${name}:x:${UID}:\nnogroup:x:65534:\n`);
  await writeFile(path("etc/nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\n");
}
