/** The cluster's certificates and kubeconfigs, made by openssl; what is there stays. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addressOf, CONTROL_PLANE_ADDRESS } from "./network.ts";
import type { NodeAddress } from "./network.ts";
import { run } from "./run.ts";

export const API_URL = `https://${CONTROL_PLANE_ADDRESS}:6443`;

interface Certificate {
  readonly name: string;
  /** Of the authority; absent: it is one itself. */
  readonly authority?: string;
  readonly commonName: string;
  readonly organization?: string;
  readonly hosts?: readonly string[];
}

const API_HOSTS = [
  `IP:${CONTROL_PLANE_ADDRESS}`,
  "IP:127.0.0.1",
  "IP:10.96.0.1",
  ...["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"].map(
    (host) => `DNS:${host}`,
  ),
];

function client(name: string, commonName: string, organization?: string): Certificate {
  return { name, authority: "ca", commonName, ...(organization ? { organization } : {}) };
}

function certificatesFor(nodes: readonly NodeAddress[]): Certificate[] {
  return [
    { name: "ca", commonName: "leasehold-test-cluster" },
    { name: "front-proxy-ca", commonName: "front-proxy-ca" },
    { name: "apiserver", authority: "ca", commonName: "kube-apiserver", hosts: API_HOSTS },
    { name: "front-proxy", authority: "front-proxy-ca", commonName: "front-proxy" },
    client("apiserver-kubelet", "apiserver-kubelet", "system:masters"),
    client("admin", "admin", "system:masters"),
    client("controller-manager", "system:kube-controller-manager"),
    client("scheduler", "system:kube-scheduler"),
    client("kube-proxy", "system:kube-proxy"),
    ...nodes.map((node) => ({
      ...client(node.name, `system:node:${node.name}`, "system:nodes"),
      hosts: [`IP:${addressOf(node)}`, `DNS:${node.name}`],
    })),
  ];
}

/** Makes the folder complete: certificates, keys, a kubeconfig per client, the token key. */
export async function createCertificates(
  folder: string,
  nodes: readonly NodeAddress[],
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const [authorities, others] = partition(certificatesFor(nodes));
  await Promise.all(authorities.map((one) => createCertificate(folder, one)));
  await Promise.all(others.map((one) => createCertificate(folder, one)));
  const clients = others.filter(({ authority }) => authority === "ca");
  await Promise.all(clients.map(({ name }) => createKubeconfig(folder, name)));
  if (existsSync(join(folder, "token.pub"))) return;
  await run("openssl", ["genrsa", "-out", "token.key", "2048"], { cwd: folder });
  await run("openssl", ["rsa", "-in", "token.key", "-pubout", "-out", "token.pub"], {
    cwd: folder,
  });
}

function partition(all: readonly Certificate[]): [Certificate[], Certificate[]] {
  const isAuthority = ({ authority }: Certificate) => authority === undefined;
  return [all.filter(isAuthority), all.filter((one) => !isAuthority(one))];
}

async function createCertificate(folder: string, certificate: Certificate): Promise<void> {
  const { name, authority } = certificate;
  if (existsSync(join(folder, `${name}.crt`))) return;
  await writeFile(join(folder, `${name}.cnf`), opensslConfiguration(certificate));
  const signer = authority ? ["-CA", `${authority}.crt`, "-CAkey", `${authority}.key`] : [];
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
  const files = ["-config", `${name}.cnf`, "-keyout", `${name}.key`, "-out", `${name}.new`];
  await run("openssl", ["req", "-x509", "-days", "3650", ...key, ...files, ...signer], {
    cwd: folder,
  });
  await rename(join(folder, `${name}.new`), join(folder, `${name}.crt`));
}

export function opensslConfiguration(certificate: Certificate): string {
  const { authority, commonName, organization, hosts = [] } = certificate;
  const extensions = authority
    ? [
        "keyUsage = critical, digitalSignature, keyEncipherment",
        "extendedKeyUsage = serverAuth, clientAuth",
        ...(hosts.length > 0 ? [`subjectAltName = ${hosts.join(", ")}`] : []),
      ]
    : ["basicConstraints = critical, CA:TRUE", "keyUsage = critical, keyCertSign, cRLSign"];
  const subject = [...(organization ? [`O = ${organization}`] : []), `CN = ${commonName}`];
  return `[req]
prompt = no
distinguished_name = subject
x509_extensions = extensions
[subject]
${subject.join("\n")}
[extensions]
${extensions.join("\n")}
`;
}

async function createKubeconfig(folder: string, name: string): Promise<void> {
  const path = join(folder, `${name}.kubeconfig`);
  const [authority = "", certificate = "", key = ""] = await Promise.all(
    ["ca.crt", `${name}.crt`, `${name}.key`].map((file) => readFile(join(folder, file), "base64")),
  );
  await writeFile(path, kubeconfig({ authority, certificate, key }), { mode: 0o600 });
}

interface Credentials {
  /** Each PEM in base64. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

export function kubeconfig({ authority, certificate, key }: Credentials): string {
  return `apiVersion: v1
kind: Config
clusters: [{name: leasehold, cluster: {server: "${API_URL}", certificate-authority-data: ${authority}}}]
users: [{name: user, user: {client-certificate-data: ${certificate}, client-key-data: ${key}}}]
contexts: [{name: leasehold, context: {cluster: leasehold, user: user}}]
current-context: leasehold
`;
}
