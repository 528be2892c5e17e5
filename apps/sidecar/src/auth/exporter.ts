/**
 * The user of a metrics exporter beside Redis, and the file that tells the exporter its password.
 *
 * The password is random, known in this pod alone, and as old as the pod: a sidecar that comes back
 * finds it in the file. So it is no part of the rotation, and no Secret needs a key for it. The
 * file is what redis_exporter reads with `-redis.password-file`: JSON, password by URL; older ones
 * look for the URL without its user.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { replaceFileSync } from "../files/atomic.ts";
import type { Settings } from "../settings/schema.ts";
import { parseShape } from "../shapes.ts";
import type { AclUser } from "./acl.ts";
import { hashOf } from "./credentials.ts";
import { EXPORTER_RULES, EXPORTER_USER } from "./users.ts";

const OWNER_ONLY = 0o600;
const Passwords = v.record(v.string(), v.string());

/** None without `auth.exporterFile`. Throws if the file cannot be written. */
export function exporterUsers({ auth, redis }: Settings): readonly AclUser[] {
  if (auth.exporterFile === "") return [];
  const url = `${redis.tls ? "rediss" : "redis"}://localhost:${redis.port}`;
  const password = readPassword(auth.exporterFile, url) ?? randomBytes(32).toString("base64url");
  const passwords = { [url]: password, [url.replace("//", `//${EXPORTER_USER}@`)]: password };
  replaceFileSync(auth.exporterFile, `${JSON.stringify(passwords)}\n`, OWNER_ONLY);
  return [{ name: EXPORTER_USER, rules: EXPORTER_RULES, hashes: [hashOf(password)] }];
}

/** Null: there is none yet. One that cannot be understood is replaced, and so is the password. */
function readPassword(path: string, url: string): string | null {
  try {
    const parsed = parseShape(Passwords, readFileSync(path, "utf8"));
    return (parsed.ok && parsed.value[url]) || null;
  } catch {
    return null;
  }
}
