/** The sidecar's image, with the content that images/sidecar gives it for users. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "../paths.ts";
import { run } from "../run.ts";
import type { Image } from "./oci.ts";

const ROOTFS = join(REPOSITORY, "images", "sidecar", "rootfs.sh");
const SIDECAR = join(REPOSITORY, "apps", "sidecar");
const CLI = join(REPOSITORY, "apps", "cli");
const BUNDLES = [
  join(SIDECAR, "dist", "leasehold-sidecar.mjs"),
  join(CLI, "dist", "leasehold.mjs"),
] as const;

/** As the Dockerfile ends. */
export const SIDECAR_CONFIG: Image["config"] = {
  Entrypoint: ["node", "--max-semi-space-size=1", "/opt/leasehold/leasehold-sidecar.mjs"],
  Env: ["PATH=/usr/bin", "NODE_ENV=production"],
  User: "999:999",
};

/** Makes the bundles, and resolves with all that decides what the image will hold. */
export async function prepareSidecar(): Promise<readonly string[]> {
  await Promise.all([SIDECAR, CLI].map((cwd) => run(process.execPath, ["build.ts"], { cwd })));
  const texts = [...BUNDLES, ROOTFS].map((file) => readFileSync(file, "utf8"));
  return [process.version, JSON.stringify(SIDECAR_CONFIG), version(), ...texts];
}

export async function fillSidecar(rootfs: string): Promise<Image> {
  await run("sh", [ROOTFS, rootfs, process.execPath, ...BUNDLES]);
  const names = [`docker.io/leasehold/sidecar:${version()}`, "docker.io/leasehold/sidecar:dev"];
  return { names, config: SIDECAR_CONFIG };
}

function version(): string {
  const text = readFileSync(join(SIDECAR, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
