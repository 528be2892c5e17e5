/**
 * TLS certificates for loopback, self-signed or of an authority, made anew each time.
 *
 * Written by hand (one ECDSA key, seven fields of DER) because the small libraries for it bring
 * 1.4 MiB and more, and `openssl` is not on every machine. Guarantees: names `localhost`,
 * `127.0.0.1` and `::1`; a fresh key unless one is given; a self-signed one is accepted by Node and
 * OpenSSL as its own authority.
 * Not for anything but tests and the demo. Form: RFC 5280, sections 4.1 and 4.2.1.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from "node:crypto";
import { isIP } from "node:net";

export interface Certificate {
  /** Its common name: two that are trusted at a time must differ in it. */
  readonly name: string;
  /** PEM. Without an issuer it is its own authority: hand it to clients as their CA. */
  readonly certPem: string;
  readonly keyPem: string;
}

export interface CertificateOptions {
  readonly now?: Date;
  readonly name?: string;
  /** Default: it signs itself, and may sign others. */
  readonly issuer?: Certificate;
  /** With an issuer: may it sign others, too? Default: no. */
  readonly isAuthority?: boolean;
  /** Default: no extended key usage, which allows every one. */
  readonly uses?: readonly ("serverAuth" | "clientAuth")[];
  /** Default: a fresh one. */
  readonly keyPem?: string;
}

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Object identifiers, already in DER. */
const OID = {
  ecdsaWithSha256: Buffer.from("2a8648ce3d040302", "hex"),
  commonName: Buffer.from("550403", "hex"),
  subjectAltName: Buffer.from("551d11", "hex"),
  basicConstraints: Buffer.from("551d13", "hex"),
  extendedKeyUsage: Buffer.from("551d25", "hex"),
  serverAuth: Buffer.from("2b06010505070301", "hex"),
  clientAuth: Buffer.from("2b06010505070302", "hex"),
} as const;

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "::1"];
const YEAR_MS = 365 * 24 * 3_600_000;

/** `notBefore` lies a day before `now`, `notAfter` a year behind it. */
export function createLoopbackCertificate(options: CertificateOptions = {}): Certificate {
  const { now = new Date(), name = "leasehold loopback", issuer, isAuthority = !issuer } = options;
  const privateKey = options.keyPem
    ? createPrivateKey(options.keyPem)
    : generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const algorithm = sequence(tlv(TAG.objectId, OID.ecdsaWithSha256));
  const validity = sequence(
    utcTime(new Date(now.getTime() - YEAR_MS / 365)),
    utcTime(new Date(now.getTime() + YEAR_MS)),
  );
  // A leading 0x01 keeps the serial number positive and its encoding minimal.
  const serial = tlv(TAG.integer, Buffer.concat([Buffer.from([1]), randomBytes(15)]));
  const toBeSigned = sequence(
    tlv(0xa0, tlv(TAG.integer, Buffer.from([2]))), // version 3
    serial,
    algorithm,
    distinguishedName(issuer?.name ?? name),
    validity,
    distinguishedName(name),
    createPublicKey(privateKey).export({ type: "spki", format: "der" }),
    tlv(
      0xa3,
      sequence(
        ...(isAuthority ? [authorityExtension()] : []),
        ...(options.uses ? [usesExtension(options.uses)] : []),
        namesExtension(),
      ),
    ),
  );
  const signer = issuer ? createPrivateKey(issuer.keyPem) : privateKey;
  const signature = sign("sha256", toBeSigned, signer);
  const certificate = sequence(toBeSigned, algorithm, bitString(signature));
  return {
    name,
    certPem: pem("CERTIFICATE", certificate),
    keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function distinguishedName(commonName: string): Buffer {
  const value = tlv(TAG.utf8String, Buffer.from(commonName));
  return sequence(tlv(TAG.set, sequence(tlv(TAG.objectId, OID.commonName), value)));
}

function authorityExtension(): Buffer {
  const value = sequence(tlv(TAG.boolean, Buffer.from([0xff])));
  return sequence(
    tlv(TAG.objectId, OID.basicConstraints),
    tlv(TAG.boolean, Buffer.from([0xff])), // critical
    tlv(TAG.octetString, value),
  );
}

function usesExtension(uses: NonNullable<CertificateOptions["uses"]>): Buffer {
  const value = sequence(...uses.map((use) => tlv(TAG.objectId, OID[use])));
  return sequence(tlv(TAG.objectId, OID.extendedKeyUsage), tlv(TAG.octetString, value));
}

function namesExtension(): Buffer {
  const names = LOOPBACK_NAMES.map((name) =>
    isIP(name) ? tlv(0x87, addressBytes(name)) : tlv(0x82, Buffer.from(name)),
  );
  return sequence(tlv(TAG.objectId, OID.subjectAltName), tlv(TAG.octetString, sequence(...names)));
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const loopback = Buffer.alloc(16);
  loopback[15] = 1;
  return loopback;
}

function utcTime(time: Date): Buffer {
  const digits = time.toISOString().replaceAll(/[-:T]/g, "").slice(2, 14);
  return tlv(TAG.utcTime, Buffer.from(`${digits}Z`));
}

function bitString(bytes: Buffer): Buffer {
  return tlv(TAG.bitString, Buffer.concat([Buffer.from([0]), bytes]));
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(TAG.sequence, Buffer.concat(parts));
}

/** Tag, length, value; lengths up to 65,535. */
function tlv(tag: number, value: Buffer): Buffer {
  const length = value.length;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), value]);
  if (length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, length]), value]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), value]);
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
