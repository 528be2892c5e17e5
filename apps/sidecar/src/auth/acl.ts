/**
 * The users as Redis reads them: in users.acl when it starts, and by `ACL SETUSER` while it runs.
 * Pure. Both say the whole user, so that either can be repeated. Holds hashes, never passwords.
 */
import { join } from "node:path";
import type { Settings } from "../settings/schema.ts";

export interface AclUser {
  readonly name: string;
  readonly rules: string;
  /** Every password that opens it, as SHA-256 in hexadecimal digits. */
  readonly hashes: readonly string[];
}

export function aclFilePath({ directories }: Pick<Settings, "directories">): string {
  return join(directories.run, "users.acl");
}

export function renderAclFile(users: readonly AclUser[]): string {
  return users.map((user) => `user ${user.name} ${wordsOf(user).join(" ")}\n`).join("");
}

/** Connections that are open stay open and keep their user. */
export function setUserCommand(user: AclUser): readonly [string, ...string[]] {
  return ["ACL", "SETUSER", user.name, "reset", ...wordsOf(user)];
}

function wordsOf({ hashes, rules }: AclUser): readonly string[] {
  // Whoever writes settings breaks long rules into lines; users.acl has one line for a user.
  const words = rules.split(/\s+/).filter((word) => word !== "");
  return ["on", ...hashes.map((hash) => `#${hash}`), ...words];
}
