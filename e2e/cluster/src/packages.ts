/**
 * The machine's own programs that the cluster needs. Root on a machine with apt gets the missing
 * ones from there; everybody else is told their names.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { environmentWith, searchPath } from "./environment.ts";
import { run } from "./run.ts";

interface Requirement {
  /** A command on PATH, or an absolute path. */
  readonly needs: string;
  readonly debianPackage: string;
}

const TO_RUN: readonly Requirement[] = [
  { needs: "ip", debianPackage: "iproute2" },
  { needs: "nsenter", debianPackage: "util-linux" },
  { needs: "nft", debianPackage: "nftables" },
  { needs: "iptables", debianPackage: "iptables" },
  { needs: "openssl", debianPackage: "openssl" },
];

const TO_BUILD: readonly Requirement[] = [
  { needs: "gcc", debianPackage: "gcc" },
  { needs: "pkg-config", debianPackage: "pkg-config" },
  { needs: "/usr/include/stdlib.h", debianPackage: "libc6-dev" },
  { needs: "/usr/include/seccomp.h", debianPackage: "libseccomp-dev" },
];

const APT_MS = 300_000;

/** Debian's names of what is missing. */
export function missingPackages(purpose: "run" | "build"): string[] {
  const isThere = ({ needs }: Requirement) =>
    needs.startsWith("/")
      ? existsSync(needs)
      : searchPath().some((folder) => existsSync(join(folder, needs)));
  const missing = (purpose === "run" ? TO_RUN : TO_BUILD).filter((one) => !isThere(one));
  return missing.map(({ debianPackage }) => debianPackage);
}

export function hasApt(): boolean {
  return existsSync("/usr/bin/apt-get");
}

export async function installPackages(
  packages: readonly string[],
  progress: (line: string) => void,
): Promise<void> {
  if (packages.length === 0) return;
  progress(`installing ${packages.join(", ")} by apt`);
  const env = environmentWith({ DEBIAN_FRONTEND: "noninteractive" });
  await run("apt-get", ["update", "-qq"], { env, timeoutMs: APT_MS });
  const install = ["install", "--yes", "-qq", "--no-install-recommends", ...packages];
  await run("apt-get", install, { env, timeoutMs: APT_MS });
}
