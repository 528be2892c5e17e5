/**
 * Makes the image archives that every cluster starts with.
 *
 * An archive is made once for each state of what goes into it, and named after that state. The
 * engines come from Debian's mirror, so that only their first time needs a network.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { copyFile, mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { PAUSE_IMAGE } from "../configuration.ts";
import { keyOf, SHELL_FOLDER } from "../paths.ts";
import type { Paths } from "../paths.ts";
import { DebianPackages } from "./debian.ts";
import { ENGINES, fillEngine } from "./engines.ts";
import { writeImage } from "./oci.ts";
import type { Image } from "./oci.ts";
import { fillSidecar, prepareSidecar } from "./sidecar.ts";

interface Recipe {
  readonly name: string;
  /** All that decides what the image will hold. */
  readonly ingredients: readonly string[];
  readonly fill: (rootfs: string) => Promise<Image>;
}

/** Resolves with the archives, the first being what every pod needs. */
export async function buildImages(
  paths: Paths,
  progress: (line: string) => void,
): Promise<readonly string[]> {
  const debian = new DebianPackages(paths.debs);
  const howTo = readHowTo();
  const recipes: readonly Recipe[] = [
    { name: "pause", ingredients: [paths.bin], fill: (rootfs) => fillPause(paths, rootfs) },
    { name: "sidecar", ingredients: await prepareSidecar(), fill: fillSidecar },
    ...ENGINES.map((engine) => ({
      name: `${engine.name}-${engine.major}`,
      ingredients: [JSON.stringify(engine), ...howTo],
      fill: (rootfs: string) => fillEngine(engine, debian, rootfs),
    })),
  ];
  await mkdir(paths.images, { recursive: true });
  const archives = [];
  for (const recipe of recipes) archives.push(await cook(recipe, paths, progress));
  return archives;
}

async function cook(
  { name, ingredients, fill }: Recipe,
  { images }: Paths,
  progress: (line: string) => void,
): Promise<string> {
  const archive = join(images, `${name}-${keyOf(ingredients)}.tar`);
  if (existsSync(archive)) return archive;
  progress(`making the image of ${name}`);
  const rootfs = join(images, `${name}.rootfs`);
  await rm(rootfs, { recursive: true, force: true });
  await mkdir(rootfs);
  const image = await fill(rootfs);
  await writeImage(rootfs, image, archive);
  await rm(rootfs, { recursive: true });
  const others = globSync(`${name}-????????????.tar`, { cwd: images });
  for (const other of others.filter((file) => file !== basename(archive))) {
    await rm(join(images, other));
  }
  return archive;
}

async function fillPause({ bin }: Paths, rootfs: string): Promise<Image> {
  await copyFile(join(bin, "pause"), join(rootfs, "pause"));
  return { names: [PAUSE_IMAGE], config: { Entrypoint: ["/pause"], User: "65535:65535" } };
}

/** The code that makes the engines' images. */
function readHowTo(): string[] {
  const files = ["debian.ts", "engines.ts", "oci.ts"].map((file) =>
    join(import.meta.dirname, file),
  );
  return [...files, join(SHELL_FOLDER, "docker-entrypoint.sh")].map((file) =>
    readFileSync(file, "utf8"),
  );
}
