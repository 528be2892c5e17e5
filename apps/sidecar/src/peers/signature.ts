/**
 * How members prove themselves to one another: HMAC-SHA256 with the group's secret over all that
 * a message means. They are signed, not encrypted; the one secret in them is sealed (seal.ts).
 *
 * A request signs group, path, the member that it is for, a fresh nonce and its body; an answer
 * signs the nonce of its request, its status and its body, so an old or foreign answer (a
 * recycled pod IP, a recording) never passes for this one. There are no timestamps: the wall
 * clock decides nothing.
 *
 * Replay of a recorded *request*, and why no nonces are remembered for it:
 * - `report`, `offset` and `credentials` read only; the answer goes to whoever sends the request,
 *   and what only members may know of it is sealed.
 *   With a hand-over `offset` replaces the attempt by which the receiver accepts it: the transfer
 *   that carries another one is accepted by a write, as without any.
 * - `hint` says "look at the Lease"; it is limited in rate and nothing is decided by it.
 * - `promise` binds its receiver for 1.02 D: replayed, it could keep a group without a leader.
 *   Rounds of one asking process only grow, so a round that is not newer is refused
 *   (`createRoundGate`). After a restart the receiver has forgotten the rounds, but it also waits
 *   1.02 D from its first read, and a promise never gives anybody a right.
 * - `changing` makes clients hold their writes for half a second: replayed, again and again. So its
 *   rounds only grow, too; and a client believes none of an epoch that is over.
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";

export const NONCE_HEADER = "leasehold-nonce";
export const SIGNATURE_HEADER = "leasehold-signature";

/** The key of the members' port; `scope` names the group. Others come from the same secret. */
export function derivePeerKey(secret: string, scope: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", `leasehold peers ${scope}`, 32));
}

export function drawNonce(): string {
  return randomBytes(16).toString("base64url");
}

export interface SignedRequest {
  readonly path: string;
  /** Name of the member that is asked. */
  readonly to: string;
  readonly nonce: string;
  readonly body: string;
}

export function signRequest(key: Buffer, request: SignedRequest): string {
  return sign(key, ["request", request.path, request.to, request.nonce, request.body]);
}

export interface SignedAnswer {
  /** Of the request. */
  readonly nonce: string;
  readonly status: number;
  readonly body: string;
}

export function signAnswer(key: Buffer, answer: SignedAnswer): string {
  return sign(key, ["answer", answer.nonce, String(answer.status), answer.body]);
}

/** Compares in constant time. */
export function isSignature(expected: string, given: string | undefined): boolean {
  if (given === undefined || given.length !== expected.length) return false;
  return timingSafeEqual(Buffer.from(expected), Buffer.from(given));
}

/** Parts are joined with their lengths, so that no two lists give the same text. */
function sign(key: Buffer, parts: readonly string[]): string {
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(`${Buffer.byteLength(part)}:`).update(part);
  return hmac.digest("base64url");
}
