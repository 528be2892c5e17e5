import { describe, expect, it } from "vitest";
import { createLoopbackCertificate, type Certificate } from "@leasehold/testkit/certificate";
import { checkCertificate, type CertificateTexts } from "../src/tls/certificate.ts";

const NOW = new Date("2030-01-01T00:00:00Z");
const YEAR_MS = 365 * 24 * 3_600_000;
const ROOT = createLoopbackCertificate({ name: "root", now: NOW });
const BETWEEN = createLoopbackCertificate({
  ...{ name: "between", now: NOW },
  ...{ issuer: ROOT, isAuthority: true },
});
const LEAF = createLoopbackCertificate({ name: "redis", now: NOW, issuer: BETWEEN });

function check(parts: Partial<CertificateTexts>, now = NOW) {
  const cert = `${LEAF.certPem}${BETWEEN.certPem}`;
  const texts = { cert, key: LEAF.keyPem, ca: ROOT.certPem, authClients: "yes", ...parts } as const;
  return checkCertificate(texts, now);
}

function partsOf(certificate: Certificate) {
  return { cert: certificate.certPem, key: certificate.keyPem };
}

describe("a certificate", () => {
  it("is good when its chain ends at a root of the CA file", () => {
    expect(check({})).toEqual({ ok: true, expiresAtMs: NOW.getTime() + YEAR_MS });
    const both = `${createLoopbackCertificate({ name: "other" }).certPem}${ROOT.certPem}`;
    expect(check({ ca: both }).ok).toBe(true);
    expect(check({ cert: LEAF.certPem, ca: `${ROOT.certPem}${BETWEEN.certPem}` }).ok).toBe(true);
  });

  it("may be its own root, and lie in one file with its key", () => {
    const alone = createLoopbackCertificate({ name: "alone", now: NOW });
    const pair = `${alone.certPem}\n${alone.keyPem}`;
    expect(check({ cert: pair, key: pair, ca: alone.certPem }).ok).toBe(true);
  });

  it("counts as good until the first of its chain expires", () => {
    const old = createLoopbackCertificate({
      ...{ name: "old", issuer: ROOT },
      now: new Date(NOW.getTime() - YEAR_MS / 2),
    });
    const result = check(partsOf(old));
    expect(result).toEqual({ ok: true, expiresAtMs: NOW.getTime() + YEAR_MS / 2 });
  });

  const stranger = createLoopbackCertificate({ name: "stranger", now: NOW });
  /** Of the same name as the root, and signed by nobody we trust. */
  const forged = createLoopbackCertificate({
    ...{ name: "redis", now: NOW },
    issuer: createLoopbackCertificate({ name: "root", now: NOW }),
  });

  it.each([
    ["that is cut off", { cert: "-----BEGIN CERT" }, "certFile holds no certificate"],
    [
      "that is damaged",
      { cert: LEAF.certPem.replace("MII", "AAA").replaceAll("\nA", "\nB") },
      "certFile holds no certificate",
    ],
    ["with an empty CA file", { ca: "" }, "caFile holds no certificate"],
    [
      "with a damaged key",
      { key: "-----BEGIN PRIVATE KEY-----\n" },
      "keyFile holds no private key",
    ],
    ["with another's key", { key: stranger.keyPem }, "does not belong to redis.tls.certFile"],
    ["of a stranger", partsOf(stranger), "is not among those of redis.tls.caFile"],
    ["of a forged root", partsOf(forged), "the issuer of the certificate of CN=redis is not in"],
    ["without its middle", { cert: LEAF.certPem }, "the issuer of the certificate of CN=redis"],
  ])("%s is refused in words", (_name, parts, words) => {
    const result = check(parts);
    expect(result.ok ? "" : result.words).toContain(words);
  });

  it("out of its time is refused", () => {
    const late = check({}, new Date(NOW.getTime() + YEAR_MS));
    expect(late.ok ? "" : late.words).toContain("has expired on");
    const early = check({}, new Date(NOW.getTime() - YEAR_MS));
    expect(early.ok ? "" : early.words).toContain("is not valid before");
  });

  it("is good when its authority was renewed with the same key, and the old one is still there", () => {
    const { name, keyPem } = ROOT;
    const renewed = createLoopbackCertificate({
      ...{ name, keyPem },
      now: new Date(NOW.getTime() + YEAR_MS),
    });
    const later = new Date(NOW.getTime() + YEAR_MS);
    const leaf = createLoopbackCertificate({ name: "redis", now: later, issuer: renewed });
    const old = ROOT.certPem;
    for (const ca of [`${old}${renewed.certPem}`, `${renewed.certPem}${old}`]) {
      expect(check({ ...partsOf(leaf), ca }, later).ok).toBe(true);
    }
  });

  const server = createLoopbackCertificate({
    ...{ name: "server", now: NOW, issuer: ROOT },
    uses: ["serverAuth"],
  });
  const client = createLoopbackCertificate({
    ...{ name: "client", now: NOW, issuer: ROOT },
    uses: ["clientAuth"],
  });
  const both = createLoopbackCertificate({
    ...{ name: "both", now: NOW, issuer: ROOT },
    uses: ["serverAuth", "clientAuth"],
  });

  it.each([
    [server, "no", ""],
    [server, "optional", 'CN=server lacks the extended key usage "client auth"'],
    [server, "yes", 'CN=server lacks the extended key usage "client auth"'],
    [client, "no", 'CN=client lacks the extended key usage "server auth"'],
    [both, "yes", ""],
  ] as const)("must be made for what Redis does with it (case %#)", (leaf, authClients, words) => {
    const result = check({ ...partsOf(leaf), authClients });
    expect(result.ok).toBe(words === "");
    expect(result.ok ? "" : result.words).toContain(words);
  });

  it("is as good as the uses of those between it and the root", () => {
    const between = createLoopbackCertificate({
      ...{ name: "narrow", now: NOW, issuer: ROOT, isAuthority: true },
      uses: ["serverAuth"],
    });
    const leaf = createLoopbackCertificate({ name: "redis", now: NOW, issuer: between });
    const cert = `${leaf.certPem}${between.certPem}`;
    const result = check({ cert, key: leaf.keyPem });
    expect(result.ok ? "" : result.words).toContain("CN=narrow lacks");
  });
});
