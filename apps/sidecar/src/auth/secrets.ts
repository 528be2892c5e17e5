/**
 * Reads all secrets that the settings name. Rejects with an Error that names the key of a file
 * that cannot be used, or says that the members' secret is missing.
 */
import { derivePeerKey } from "../peers/signature.ts";
import type { Settings } from "../settings/schema.ts";
import { deriveCredentials, type Credentials } from "./credentials.ts";
import { readNeeded, readSecretFile } from "./secret-file.ts";
import { parseUserLine } from "./users.ts";

export interface Secrets {
  readonly peerKey: Buffer;
  /** The one password of a Redis without users; empty: it asks for none. */
  readonly redisPassword: string;
  /** Null: auth.enabled is false. */
  readonly credentials: Credentials | null;
}

export async function readSecrets(settings: Settings): Promise<Secrets> {
  const { auth, redis, peers } = settings;
  if (auth.enabled) {
    const credentials = await readCredentials(settings);
    return { peerKey: credentials.peerKey, redisPassword: "", credentials };
  }
  const peerKey =
    peers.keyFile === "" ? peers.key : await readNeeded(peers.keyFile, "peers.keyFile");
  if (peerKey === "") {
    throw new Error("peers.keyFile is missing: the members of a group prove themselves with it.");
  }
  const redisPassword =
    redis.passwordFile === ""
      ? redis.password
      : await readNeeded(redis.passwordFile, "redis.passwordFile");
  return { peerKey: derivePeerKey(peerKey, scopeOf(settings)), redisPassword, credentials: null };
}

/** With auth.enabled: as the files are now. */
export async function readCredentials(settings: Settings): Promise<Credentials> {
  const { auth } = settings;
  const password = await readNeeded(auth.passwordFile, "auth.passwordFile");
  const internalKey =
    auth.internalKeyFile === ""
      ? null
      : await readSecretFile(auth.internalKeyFile, "auth.internalKeyFile");
  const lines = auth.users.map(parseUserLine).filter((line) => typeof line !== "string");
  const others = await Promise.all(
    lines.map(async ({ name, passwordFile, rules }) => {
      const key = `auth.users: the password of ${name}`;
      return { name, rules, password: await readNeeded(passwordFile, key) };
    }),
  );
  const { defaultUserRules } = auth;
  return deriveCredentials({
    ...{ scope: scopeOf(settings), password, internalKey },
    ...{ defaultUserRules, others },
  });
}

/** A copy of the Secret in another namespace makes nobody a member there. */
function scopeOf({ namespace, group }: Settings): string {
  return `${namespace}/${group}`;
}
