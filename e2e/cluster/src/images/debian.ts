/**
 * Unpacks packages of any Debian suite into a folder, from the mirror that this machine uses.
 *
 * Guarantees: neither the machine's list of sources nor its packages change; all that apt keeps for
 * this lies in the cache. Maintainer scripts do not run, and dependencies are not followed.
 */
import { existsSync, globSync } from "node:fs";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../run.ts";

export type Suite = "bookworm" | "trixie" | "forky";

const SUITES: readonly Suite[] = ["bookworm", "trixie", "forky"];
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const APT_MS = 300_000;

export class DebianPackages {
  readonly #folder: string;
  #updated: Promise<void> | undefined;

  /** @param folder In the cache: lists and packages. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Unpacks the newest packages of the suite over what the folder holds. */
  async unpack(packages: readonly string[], suite: Suite, rootfs: string): Promise<void> {
    const folder = join(this.#folder, suite);
    await mkdir(folder, { recursive: true });
    const missing = packages.filter((name) => this.#find(name, suite).length === 0);
    if (missing.length > 0) {
      this.#updated ??= this.#update();
      await this.#updated;
      const names = missing.map((name) => `${name}/${suite}`);
      const args = [...this.#options(), "download", "-qq", ...names];
      await run("apt-get", args, { cwd: folder, timeoutMs: APT_MS });
    }
    for (const name of packages) {
      const [deb] = this.#find(name, suite);
      if (deb === undefined) throw new Error(`apt brought no ${name} of ${suite}`);
      const pipe = 'dpkg-deb --fsys-tarfile "$1" | tar -C "$2" --keep-directory-symlink -xf -';
      await run("sh", ["-c", pipe, "unpack", deb, rootfs]);
    }
  }

  /** The version as in the package's file name: "8.0.2-3". */
  versionOf(name: string, suite: Suite): string {
    const [deb = ""] = this.#find(name, suite);
    return decodeURIComponent(deb.split("_")[1] ?? "").replace(/^\d+:/, "");
  }

  #find(name: string, suite: Suite): string[] {
    const folder = join(this.#folder, suite);
    return globSync(`${name}_*.deb`, { cwd: folder }).map((file) => join(folder, file));
  }

  async #update(): Promise<void> {
    const mirror = await mirrorOfThisMachine();
    await mkdir(join(this.#folder, "lists", "partial"), { recursive: true });
    await mkdir(join(this.#folder, "archives", "partial"), { recursive: true });
    const sources = SUITES.map((suite) => `deb [signed-by=${KEYRING}] ${mirror} ${suite} main`);
    await writeFile(join(this.#folder, "sources.list"), `${sources.join("\n")}\n`);
    await run("apt-get", [...this.#options(), "update", "-qq"], { timeoutMs: APT_MS });
  }

  #options(): string[] {
    const settings = {
      "Dir::Etc::sourcelist": join(this.#folder, "sources.list"),
      "Dir::Etc::sourceparts": "/dev/null",
      "Dir::Etc::preferencesparts": "/dev/null",
      "Dir::State::lists": join(this.#folder, "lists"),
      "Dir::Cache": this.#folder,
      "Acquire::Languages": "none",
      // Root downloads into a folder that apt's own user cannot see.
      "APT::Sandbox::User": "root",
    };
    return Object.entries(settings).map(([name, value]) => `--option=${name}=${value}`);
  }
}

async function mirrorOfThisMachine(): Promise<string> {
  if (!existsSync(KEYRING)) {
    throw new Error(`${KEYRING} is missing: install Debian's package debian-archive-keyring`);
  }
  const format = ["--format", "$(ORIGIN) $(RELEASE) $(REPO_URI)"];
  const { stdout } = await run("apt-get", ["indextargets", ...format]);
  const lines = stdout.split("\n").map((line) => line.split(" "));
  // Security updates come from a mirror of their own, which has no other suites.
  const found = lines.find(
    ([origin, release = ""]) => origin === "Debian" && !/-(security|updates)$/.test(release),
  );
  const uri = found?.[2];
  if (uri) return uri;
  throw new Error(
    "the engines' images are made of Debian packages, and apt here knows no Debian mirror: add one to /etc/apt/sources.list.d",
  );
}

/** Folders and files that every image has, and a merged /usr. */
export async function createRootfs(rootfs: string): Promise<void> {
  const folders = ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "tmp", "proc", "sys"];
  for (const folder of [...folders, "dev", "run", "var", "root"]) {
    await mkdir(join(rootfs, folder), { recursive: true });
  }
  const links = ["bin", "sbin", "lib", "lib64"].map((name) => `ln -s usr/${name} ${name}`);
  await run("sh", ["-ec", [...links, "ln -s /run var/run", "chmod 1777 tmp"].join("; ")], {
    cwd: rootfs,
  });
}

/** Removes what nobody reads in a container. */
export async function slim(rootfs: string): Promise<void> {
  const useless = ["doc", "man", "locale", "lintian", "bug", "bash-completion", "info", "doc-base"];
  const paths = [
    ...useless.map((name) => `usr/share/${name}`),
    "usr/lib/systemd",
    "var/lib",
    "var/cache",
  ];
  await run("rm", ["-rf", ...paths.map((path) => join(rootfs, path))]);
}

export async function copyInto(rootfs: string, from: string, to: string): Promise<void> {
  await cp(from, join(rootfs, to), { recursive: true });
}
