/**
 * The servers of the engines' images as programs of this machine, for tests without a cluster.
 *
 * What the image holds is unpacked once into the cache; a script beside it starts the server with
 * the image's own libraries, so that neither a container nor the machine's libraries matter.
 */
import { chmodSync, existsSync, globSync, renameSync, writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { getuid, platform } from "node:process";
import { settingsFrom } from "../environment.ts";
import { hasApt } from "../packages.ts";
import { keyOf, pathsIn } from "../paths.ts";
import type { Support } from "../support.ts";
import { DebianPackages } from "./debian.ts";
import { fillEngine, type Engine } from "./engines.ts";

export { ENGINES, type Engine } from "./engines.ts";

/** Whether `engineServer` can work here, else one sentence that says why not. */
export function enginesSupport(): Support {
  if (platform !== "linux" || !hasApt()) {
    return { ok: false, why: "the engines' servers come from Debian's packages: use Debian" };
  }
  if (getuid?.() === 0) return { ok: true };
  return { ok: false, why: "the engines' images belong to several users: run this as root" };
}

/** Path of a program that takes the server's arguments. The first time needs a network. */
export async function engineServer(engine: Engine): Promise<string> {
  const paths = pathsIn(settingsFrom().cache);
  const folder = join(paths.cache, "servers");
  const rootfs = join(folder, `${engine.name}-${engine.major}-${keyOf([JSON.stringify(engine)])}`);
  const program = join(rootfs, `${engine.name}-server`);
  if (existsSync(program)) return program;
  const partial = `${rootfs}.partial-${process.pid}`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  await fillEngine(engine, new DebianPackages(paths.debs), partial);
  writeFileSync(join(partial, `${engine.name}-server`), starter(engine, partial, rootfs));
  chmodSync(join(partial, `${engine.name}-server`), 0o755);
  await rm(rootfs, { recursive: true, force: true });
  renameSync(partial, rootfs);
  return program;
}

function starter({ name }: Engine, built: string, rootfs: string): string {
  const [loader = ""] = globSync("usr/lib/*/ld-linux-*.so.*", { cwd: built });
  if (loader === "") throw new Error(`the packages of ${name} brought no loader of libraries`);
  const libraries = join(rootfs, loader, "..");
  const server = join(rootfs, "usr/local/bin", `${name}-server`);
  return `#!/bin/sh\nexec ${join(rootfs, loader)} --library-path ${libraries} ${server} "$@"\n`;
}
