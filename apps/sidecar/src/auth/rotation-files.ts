/**
 * What a rotation remembers. `<data>/leasehold/credentials.json` holds hashes of passwords and
 * outlives the pod; `<run>/credentials.json` holds the secrets that the running Redis and the
 * other members know, and goes with the pod, as redis.conf beside it does.
 *
 * Guarantees: each is replaced as a whole, readable by its owner alone. A file that cannot be
 * understood counts as none and is reported: at worst an old password ends early.
 */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { withDeadline } from "../bounded.ts";
import { replaceFileDurably, replaceFileSync } from "../files/atomic.ts";
import type { Settings } from "../settings/schema.ts";
import { parseShape, WholeNumber } from "../shapes.ts";
import { readAtMost } from "./secret-file.ts";
import type { RememberedSecrets, RememberedUsers, Retired } from "./rotation-state.ts";

export interface RotationFiles {
  read(): Promise<{
    readonly users: RememberedUsers;
    readonly secrets: RememberedSecrets | null;
  }>;
  /** Rejects if the volume does not take it in time. */
  writeUsers(users: RememberedUsers): Promise<void>;
  writeSecrets(secrets: RememberedSecrets): void;
}

const LIMIT_BYTES = 256 * 1024;
const DEADLINE_MS = 5_000;
const OWNER_ONLY = 0o600;

const RetiredShape: v.GenericSchema<unknown, readonly Retired[]> = v.array(
  v.object({ value: v.string(), leftMs: v.number() }),
);
const Users: v.GenericSchema<unknown, RememberedUsers> = v.array(
  v.object({
    name: v.string(),
    hash: v.string(),
    generation: WholeNumber,
    retired: RetiredShape,
    // An older version did not learn.
    isNew: v.optional(v.boolean(), false),
  }),
);
const Secrets: v.GenericSchema<unknown, RememberedSecrets> = v.object({
  agentPassword: v.string(),
  replicationPassword: v.string(),
  peerKey: v.string(),
  retiredPeerKeys: RetiredShape,
});
const UsersFile = v.object({ version: v.literal(1), users: Users });
const SecretsFile = v.object({ version: v.literal(1), secrets: Secrets });

export function openRotationFiles(
  { directories }: Pick<Settings, "directories">,
  complain: (words: string) => void,
): RotationFiles {
  const usersPath = join(directories.data, "leasehold", "credentials.json");
  const secretsPath = join(directories.run, "credentials.json");
  let isOpen = false;
  const understand = <T>(path: string, text: string, shape: v.GenericSchema<unknown, T>) => {
    const parsed = parseShape(shape, text);
    // What is wrong is not repeated: it may be a secret.
    if (!parsed.ok) complain(`${path} cannot be understood: it counts as missing.`);
    return parsed.ok ? parsed.value : null;
  };
  return {
    async read() {
      const onDisk = await withDeadline(readAtMost(usersPath, LIMIT_BYTES), DEADLINE_MS);
      const inMemory = readIfPresent(secretsPath);
      const users = onDisk && understand(usersPath, onDisk.toString("utf8"), UsersFile);
      const secrets = inMemory === null ? null : understand(secretsPath, inMemory, SecretsFile);
      return { users: users?.users ?? [], secrets: secrets?.secrets ?? null };
    },
    async writeUsers(users) {
      if (isOpen) throw new Error(`the previous write of ${usersPath} has not returned`);
      isOpen = true;
      const write = async (): Promise<void> => {
        await mkdir(dirname(usersPath), { recursive: true });
        await replaceFileDurably(usersPath, `${JSON.stringify({ version: 1, users })}\n`);
      };
      await withDeadline(
        write().finally(() => (isOpen = false)),
        DEADLINE_MS,
      );
    },
    writeSecrets(secrets) {
      replaceFileSync(secretsPath, `${JSON.stringify({ version: 1, secrets })}\n`, OWNER_ONLY);
    },
  };
}

/** Of the tmpfs. */
function readIfPresent(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
