/**
 * Makes a container image out of a folder, without a registry or a daemon: an OCI archive of one
 * layer. The same folder gives the same digest, whatever its times and its order on disk.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { arch } from "node:process";
import { join } from "node:path";
import { run } from "../run.ts";

/** What an image says about how it wants to be run; the names are those of the specification. */
export interface ImageConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Volumes?: Readonly<Record<string, object>>;
}

export interface Image {
  /** Full names with tag: "docker.io/library/redis:8.0". */
  readonly names: readonly string[];
  readonly config: ImageConfig;
}

interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const MEDIA = "application/vnd.oci.image";
const EPOCH = "1970-01-01T00:00:00Z";
const TAR_MS = 120_000;
/** The layer is not compressed: it is read three times on this machine and never sent anywhere. */
const REPRODUCIBLE = ["--sort=name", "--mtime=@0", "--numeric-owner", "--format=posix"];
const NO_TIMES = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime";

/** Replaces `archive`, which appears complete or not at all. */
export async function writeImage(rootfs: string, image: Image, archive: string): Promise<void> {
  const work = `${archive}.work`;
  await rm(work, { recursive: true, force: true });
  const blobs = join(work, "blobs", "sha256");
  await mkdir(blobs, { recursive: true });
  const layerFile = join(work, "layer");
  await tar(["-C", rootfs, ...REPRODUCIBLE, NO_TIMES, "-cf", layerFile, "."]);
  const layer = await describe(layerFile, `${MEDIA}.layer.v1.tar`);
  await rename(layerFile, join(blobs, hex(layer)));

  const platform = { architecture: arch === "x64" ? "amd64" : arch, os: "linux" };
  const store = async (mediaType: string, value: object): Promise<Blob> => {
    const file = join(work, "document");
    await writeFile(file, JSON.stringify(value));
    const blob = await describe(file, mediaType);
    await rename(file, join(blobs, hex(blob)));
    return blob;
  };
  const config = await store(`${MEDIA}.config.v1+json`, {
    created: EPOCH,
    ...platform,
    config: image.config,
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created: EPOCH, created_by: "leasehold" }],
  });
  const mediaType = `${MEDIA}.manifest.v1+json`;
  const manifest = await store(mediaType, { schemaVersion: 2, mediaType, config, layers: [layer] });
  await writeFile(join(work, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  await writeFile(join(work, "index.json"), JSON.stringify(indexOf(manifest, platform, image)));

  const root = ["--owner=0", "--group=0", ...REPRODUCIBLE, NO_TIMES];
  await tar(["-C", work, ...root, "-cf", `${archive}.new`, "oci-layout", "index.json", "blobs"]);
  await rename(`${archive}.new`, archive);
  await rm(work, { recursive: true });
}

function indexOf(manifest: Blob, platform: object, { names }: Image): object {
  return {
    schemaVersion: 2,
    mediaType: `${MEDIA}.index.v1+json`,
    manifests: names.map((name) => ({
      ...manifest,
      platform,
      annotations: {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.slice(name.lastIndexOf(":") + 1),
      },
    })),
  };
}

async function tar(args: readonly string[]): Promise<void> {
  await run("tar", args, { timeoutMs: TAR_MS });
}

async function describe(file: string, mediaType: string): Promise<Blob> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  const { size } = await stat(file);
  return { mediaType, digest: `sha256:${hash.digest("hex")}`, size };
}

function hex({ digest }: Blob): string {
  return digest.slice("sha256:".length);
}
