/**
 * Would a Redis with this certificate, key and CA be believed by the others? Pure: texts in, a
 * sentence or the time of the first expiry out.
 *
 * Checks what OpenSSL checks when a replica attaches: that all can be read, that the key belongs
 * to the certificate, that the chain ends at a self-signed certificate of the CA file, that nothing
 * in it is out of date, and that all of it may be used as Redis uses it. Does not check
 * names: Redis does not, either.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from "node:crypto";

export interface CertificateTexts {
  /** PEM: the server's certificate first, then those between it and the CA. */
  readonly cert: string;
  readonly key: string;
  /** PEM: every CA that is trusted. */
  readonly ca: string;
  /** Whether the others ask a replica for its certificate: then it is a client's, too. */
  readonly authClients: "no" | "optional" | "yes";
}

export type CertificateCheck =
  | { readonly ok: true; readonly expiresAtMs: number }
  | { readonly ok: false; readonly words: string };

const BLOCK = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
/** Longer chains are mistakes. */
const MAX_CHAIN = 8;

export function checkCertificate(texts: CertificateTexts, now: Date): CertificateCheck {
  const given = parseCertificates(texts.cert);
  const trusted = parseCertificates(texts.ca);
  const [leaf] = given ?? [];
  if (!given || !leaf) return bad("redis.tls.certFile holds no certificate in PEM");
  if (!trusted?.length) return bad("redis.tls.caFile holds no certificate in PEM");
  const key = parseKey(texts.key);
  if (!key) return bad("redis.tls.keyFile holds no private key in PEM that needs no password");
  if (!leaf.checkPrivateKey(key)) {
    return bad("the key in redis.tls.keyFile does not belong to redis.tls.certFile");
  }
  const chain = chainOf(leaf, { given, trusted, now });
  if (typeof chain === "string") return bad(chain);
  const late = chain.find(({ validToDate }) => validToDate <= now);
  if (late) return bad(`${nameOf(late)} has expired on ${late.validTo}`);
  const early = chain.find(({ validFromDate }) => validFromDate > now);
  if (early) return bad(`${nameOf(early)} is not valid before ${early.validFrom}`);
  const unfit = chain.map((cert) => missingUse(cert, texts.authClients)).find((words) => words);
  if (unfit) return bad(unfit);
  const ends = chain.map(({ validToDate }) => validToDate.getTime());
  return { ok: true, expiresAtMs: Math.min(...ends) };
}

/** Extended key usage (RFC 5280, 4.2.1.12). */
const USES = [
  { oid: "1.3.6.1.5.5.7.3.1", name: "server auth", isNeeded: () => true },
  {
    ...{ oid: "1.3.6.1.5.5.7.3.2", name: "client auth" },
    isNeeded: (authClients: CertificateTexts["authClients"]) => authClients !== "no",
  },
];

/** Null: none. A certificate that names no use has all; OpenSSL takes `any` for none. */
function missingUse(
  cert: X509Certificate,
  authClients: CertificateTexts["authClients"],
): string | null {
  // Node's types do not say that a certificate may be without.
  const uses: readonly string[] | undefined = cert.keyUsage;
  if (!uses) return null;
  const missing = USES.find(({ oid, isNeeded }) => isNeeded(authClients) && !uses.includes(oid));
  if (!missing) return null;
  const why = `(redis.tls.authClients is ${authClients})`;
  return `${nameOf(cert)} lacks the extended key usage "${missing.name}" ${why}: issue it with both uses`;
}

interface ChainSources {
  readonly given: readonly X509Certificate[];
  readonly trusted: readonly X509Certificate[];
  readonly now: Date;
}

/** From the server's certificate to a trusted root, or why there is no such way. */
function chainOf(
  leaf: X509Certificate,
  { given, trusted, now }: ChainSources,
): readonly X509Certificate[] | string {
  const chain = [leaf];
  for (let last = leaf; chain.length <= MAX_CHAIN;) {
    if (isIssuedBy(last, last)) {
      const isTrusted = trusted.some((root) => root.fingerprint256 === last.fingerprint256);
      return isTrusted ? chain : `${nameOf(last)} is not among those of redis.tls.caFile`;
    }
    const issuer = issuerOf(last, trusted, now) ?? issuerOf(last, given, now);
    if (!issuer) return `the issuer of ${nameOf(last)} is not in redis.tls.caFile`;
    chain.push(issuer);
    last = issuer;
  }
  return `the chain of redis.tls.certFile is longer than ${MAX_CHAIN}`;
}

/** A renewed authority may have the key and name of the expired one: as OpenSSL, the valid one. */
function issuerOf(
  cert: X509Certificate,
  among: readonly X509Certificate[],
  now: Date,
): X509Certificate | undefined {
  const issuers = among.filter((other) => isIssuedBy(cert, other));
  const isValid = (one: X509Certificate): boolean =>
    one.validFromDate <= now && one.validToDate > now;
  return issuers.find(isValid) ?? issuers[0];
}

function isIssuedBy(cert: X509Certificate, issuer: X509Certificate): boolean {
  return cert.checkIssued(issuer) && cert.verify(issuer.publicKey);
}

/** Null: something in it is no certificate. */
function parseCertificates(pem: string): readonly X509Certificate[] | null {
  try {
    return (pem.match(BLOCK) ?? []).map((block) => new X509Certificate(block));
  } catch {
    return null;
  }
}

function parseKey(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem);
  } catch {
    return null;
  }
}

function nameOf({ subject }: X509Certificate): string {
  return `the certificate of ${subject.replaceAll("\n", ", ") || "nobody"}`;
}

function bad(words: string): CertificateCheck {
  return { ok: false, words };
}
