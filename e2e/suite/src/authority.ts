/**
 * An authority and the certificates that it signs for a group, made by openssl and applied as the
 * Secret that the chart's `tls.existingSecret` names.
 */
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Cluster } from "@leasehold/cluster";

export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** A new certificate becomes the content of the Secret; resolves with its serial number. */
  renew(): Promise<string>;
  /** Of the certificate that answers at `address`, "10.244.1.7:6379", once it is verified. */
  serialAt(address: string): Promise<string>;
  close(): Promise<void>;
}

export interface AuthorityOptions {
  readonly namespace: string;
  readonly secret: string;
  /** DNS names for which it signs. */
  readonly names: readonly string[];
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"] as const;

export async function createAuthority(
  cluster: Cluster,
  { namespace, secret, names }: AuthorityOptions,
): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), "leasehold-e2e-"));
  const openssl = (args: readonly string[]) => cluster.exec(["openssl", ...args], { cwd: folder });
  const read = (file: string): Promise<string> => readFile(join(folder, file), "utf8");
  const own = ["-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=leasehold-e2e", "-days", "2"];
  await openssl(["req", "-x509", ...NEW_KEY, ...own]);
  const certificate = await read("ca.crt");
  await writeFile(
    join(folder, "extensions"),
    `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}\n` +
      "extendedKeyUsage=serverAuth,clientAuth\n",
  );

  async function sign(): Promise<void> {
    await openssl(["req", ...NEW_KEY, "-keyout", "tls.key", "-out", "csr", "-subj", "/CN=group"]);
    const by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1"];
    await openssl([
      "x509",
      "-req",
      "-in",
      "csr",
      "-out",
      "tls.crt",
      ...by,
      "-extfile",
      "extensions",
    ]);
  }

  return {
    certificate,
    async renew() {
      await sign();
      const stringData = {
        "tls.crt": await read("tls.crt"),
        "tls.key": await read("tls.key"),
        "ca.crt": certificate,
      };
      const metadata = { name: secret, namespace };
      const input = stringify({ apiVersion: "v1", kind: "Secret", metadata, stringData });
      await cluster.kubectl(["apply", "--server-side", "-f", "-"], { input });
      return new X509Certificate(stringData["tls.crt"]).serialNumber;
    },
    async serialAt(address) {
      const verified = ["-CAfile", "ca.crt", "-verify_return_error"];
      const { stdout } = await openssl(["s_client", "-connect", address, ...verified]);
      return new X509Certificate(stdout.slice(stdout.indexOf("-----BEGIN"))).serialNumber;
    },
    close: () => rm(folder, { recursive: true }),
  };
}
