/**
 * What only members may read, inside a message that is signed but not encrypted: AES-256-GCM with
 * a key that comes from the one of the members' port. Pure but for its nonces.
 *
 * Guarantees: whoever listens, or sends a recorded request again, learns the length alone. That
 * it is the answer to this request is what the signature around it says (signature.ts).
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const CIPHER = "aes-256-gcm";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export function seal(peerKey: Buffer, text: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, sealKey(peerKey), nonce);
  const hidden = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), hidden]).toString("base64url");
}

/** Null: sealed with another key, or damaged. */
export function unseal(peerKey: Buffer, sealed: string): string | null {
  const bytes = Buffer.from(sealed, "base64url");
  const tagEnd = NONCE_BYTES + TAG_BYTES;
  if (bytes.length < tagEnd) return null;
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const opener = createDecipheriv(CIPHER, sealKey(peerKey), nonce, { authTagLength: TAG_BYTES });
  opener.setAuthTag(bytes.subarray(NONCE_BYTES, tagEnd));
  try {
    const text = Buffer.concat([opener.update(bytes.subarray(tagEnd)), opener.final()]);
    return text.toString("utf8");
  } catch {
    return null;
  }
}

function sealKey(peerKey: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", peerKey, "", "leasehold sealed answers", 32));
}
