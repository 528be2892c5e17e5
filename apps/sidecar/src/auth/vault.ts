/**
 * Holds the state of a rotation and keeps the files that say the same: users.acl and redis.conf,
 * which Redis reads when it starts, and what is remembered across restarts.
 *
 * Guarantees: after `write` all of them say what the state says. Hashes are on the volume before
 * Redis may accept them. Decides nothing.
 */
import { replaceFileSync } from "../files/atomic.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings/schema.ts";
import { aclFilePath, renderAclFile } from "./acl.ts";
import type { Credentials } from "./credentials.ts";
import { exporterUsers } from "./exporter.ts";
import type { Keyring } from "./keyring.ts";
import { openRotationFiles } from "./rotation-files.ts";
import {
  aclUsersOf,
  beginRotation,
  peerKeysOf,
  secretsOf,
  type RememberedUsers,
  type RotationState,
} from "./rotation-state.ts";
import { AGENT_USER, REPLICATION_USER } from "./users.ts";

export interface Vault {
  readonly keyring: Keyring;
  /** No sidecar was here before beside this Redis: it starts with what is written first. */
  readonly isFresh: boolean;
  state(): RotationState;
  /** What Redis accepts if it starts now. */
  aclText(): string;
  /** Rejects if the tmpfs cannot be written; the state has changed nevertheless. */
  change(next: RotationState): Promise<void>;
  write(): Promise<void>;
}

export interface VaultParts {
  readonly settings: Settings;
  readonly credentials: Credentials;
  readonly log: Log;
  /** redis.conf must say what the keyring says now. */
  readonly renderRedisConf: (keyring: Keyring) => void;
}

export async function openVault(parts: VaultParts): Promise<Vault> {
  const { settings, log } = parts;
  const files = openRotationFiles(settings, (words) => log.error(words));
  const remembered = await files.read();
  let state = beginRotation(parts.credentials, remembered, settings.auth.rotationOverlapMs);
  // A sidecar that comes back to a leader's Redis has no time for a slow volume.
  let saved = isSame(state.users, remembered.users) ? state.users : null;

  const fixedUsers = exporterUsers(settings);

  const keyring: Keyring = {
    peerKeys: () => peerKeysOf(state),
    redisAccess: () => ({ replicationPassword: state.replicationPassword }),
    login: {
      username: AGENT_USER,
      password: () => state.agentPassword,
      streamAs: { username: REPLICATION_USER, password: () => state.replicationPassword },
    },
  };
  const save = async (users: RememberedUsers): Promise<void> => {
    if (saved === users) return;
    try {
      await files.writeUsers(users);
      saved = users;
    } catch (error) {
      // A full volume must not keep a leaked password in force.
      log.warn(`old passwords would not outlive a restart of the pod: ${String(error)}`);
    }
  };
  const vault: Vault = {
    keyring,
    isFresh: remembered.secrets === null,
    state: () => state,
    aclText: () => renderAclFile([...aclUsersOf(state), ...fixedUsers]),
    async change(next) {
      state = next;
      await vault.write();
    },
    async write() {
      await save(state.users);
      files.writeSecrets(secretsOf(state));
      replaceFileSync(aclFilePath(settings), vault.aclText());
      parts.renderRedisConf(keyring);
    },
  };
  return vault;
}

function isSame(a: RememberedUsers, b: RememberedUsers): boolean {
  return a.length === b.length && a.every((user, index) => user === b[index]);
}
