/**
 * What a member's secrets are at one instant, derived from the applications' passwords and from
 * the internal key. Pure.
 *
 * Guarantees: no derived secret leads back to the internal key or to another derived one; two
 * groups with the same key have nothing in common. An internal key that was derived from the
 * applications' password is as strong as that password.
 */
import { createHash, createHmac, hkdfSync } from "node:crypto";
import { derivePeerKey } from "../peers/signature.ts";
import {
  AGENT_RULES,
  AGENT_USER,
  APPLICATION_USER,
  REPLICATION_RULES,
  REPLICATION_USER,
} from "./users.ts";

export interface Credentials {
  /** In the order of users.acl. */
  readonly users: readonly UserCredential[];
  /** Of user `leasehold`. */
  readonly agentPassword: string;
  /** Of user `leasehold-replication`. */
  readonly replicationPassword: string;
  readonly peerKey: Buffer;
  /**
   * The same for members with the same secrets. Only members may see it: whoever can derive the
   * internal key can try passwords against it.
   */
  readonly fingerprint: string;
  /** There is no internal key of its own: it was derived from the applications' password. */
  readonly keyIsDerived: boolean;
}

export interface UserCredential {
  readonly name: string;
  readonly rules: string;
  /** SHA-256 of the password, in hexadecimal digits as Redis writes it. */
  readonly hash: string;
}

export interface CredentialSources {
  /** The group's name in its namespace: the same Secret may be in another one, too. */
  readonly scope: string;
  readonly password: string;
  /** Null: derived from the password. */
  readonly internalKey: string | null;
  readonly defaultUserRules: string;
  readonly others: readonly {
    readonly name: string;
    readonly rules: string;
    readonly password: string;
  }[];
}

export function deriveCredentials(sources: CredentialSources): Credentials {
  const { scope, password } = sources;
  const key = sources.internalKey ?? derive(password, `leasehold internal key ${scope}`);
  const agentPassword = derive(key, `leasehold user ${AGENT_USER} ${scope}`);
  const replicationPassword = derive(key, `leasehold user ${REPLICATION_USER} ${scope}`);
  const users = [
    userOf(APPLICATION_USER, sources.defaultUserRules, password),
    userOf(AGENT_USER, AGENT_RULES, agentPassword),
    userOf(REPLICATION_USER, REPLICATION_RULES, replicationPassword),
    ...sources.others.map((other) => userOf(other.name, other.rules, other.password)),
  ];
  const fingerprint = createHmac("sha256", derive(key, `leasehold fingerprint ${scope}`));
  for (const { name, hash } of users) fingerprint.update(`${name} ${hash}\n`);
  return {
    users,
    agentPassword,
    replicationPassword,
    peerKey: derivePeerKey(key, scope),
    fingerprint: fingerprint.digest("base64url"),
    keyIsDerived: sources.internalKey === null,
  };
}

export function hashOf(password: string): string {
  return createHash("sha256").update(password).digest("hex");
}

function userOf(name: string, rules: string, password: string): UserCredential {
  return { name, rules, hash: hashOf(password) };
}

/** 256 bits. */
function derive(secret: string, purpose: string): string {
  return Buffer.from(hkdfSync("sha256", secret, "", purpose, 32)).toString("base64url");
}
