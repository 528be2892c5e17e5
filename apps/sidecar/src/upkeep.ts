/**
 * What is kept up beside the decisions: the files that Redis reads when it starts, its passwords
 * and its certificate. Wires only; auth/ and tls/ say what each does.
 */
import type { Peer, Reason } from "@leasehold/replication";
import { createRedisAdmin } from "@leasehold/redis";
import { fixedKeyring, type Keyring } from "./auth/keyring.ts";
import { startRotation, type Others, type Rotation, type RotationView } from "./auth/rotation.ts";
import type { Secrets } from "./auth/secrets.ts";
import { openVault, type Vault } from "./auth/vault.ts";
import { DEADLINES_MS } from "./deadlines.ts";
import { replaceFileSync } from "./files/atomic.ts";
import { redisConfPath, renderRedisConf } from "./files/redis-conf.ts";
import type { Log } from "./log.ts";
import type { CredentialsAnswer } from "./peers/messages.ts";
import type { PeerClient } from "./peers/peer-client.ts";
import { socketPath } from "./settings/member-config.ts";
import type { Settings } from "./settings/schema.ts";
import { openCertificates } from "./tls/certificates.ts";

export interface Upkeep {
  readonly keyring: Keyring;
  /** Follows what may change. Redis' files are there already. */
  start(world: UpkeepWorld): void;
  /** What another member may know of the passwords. */
  credentials(): CredentialsAnswer;
  view(): UpkeepView;
  stop(): void;
}

export interface UpkeepView {
  /** Null: without auth.enabled. */
  readonly rotation: RotationView | null;
  /** Null: without TLS, or not known. */
  readonly certificateExpiresAtMs: number | null;
}

export interface UpkeepWorld {
  readonly peers: Pick<PeerClient, "credentials">;
  /** The other members that have an address; null: not known yet. */
  readonly others: () => readonly Peer[] | null;
  readonly announce: (reason: Reason, words: string) => void;
}

export interface UpkeepParts {
  readonly settings: Settings;
  readonly secrets: Secrets;
  readonly log: Log;
}

/** Resolves when everything is there that Redis needs to start. */
export async function openUpkeep(parts: UpkeepParts): Promise<Upkeep> {
  const { settings, log } = parts;
  const certificates = settings.redis.tls
    ? openCertificates(settings, settings.redis.tls, log)
    : null;
  await certificates?.render();
  const vault = await openVaultIfNeeded(parts);
  const keyring = vault?.keyring ?? fixedKeyring(settings, parts.secrets);
  // The guard starts Redis once redis.conf is there: it comes last.
  await (vault ? vault.write() : writeRedisConf(settings, keyring));
  let rotation: Rotation | null = null;
  let stopCertificates: (() => void) | undefined;
  return {
    keyring,
    start(world) {
      const { announce } = world;
      const admin = createRedisAdmin({ socket: socketPath(settings), ...keyring.login });
      stopCertificates = certificates?.follow({ admin, announce });
      if (!vault) return;
      const askOthers = (): Promise<Others | null> => askAll(world);
      rotation = startRotation({ settings, vault, admin, askOthers, announce, log });
    },
    credentials: () => rotation?.answer() ?? { accepts: null, uses: null },
    view: () => ({
      rotation: rotation?.view() ?? null,
      certificateExpiresAtMs: certificates?.expiresAtMs() ?? null,
    }),
    stop() {
      rotation?.stop();
      stopCertificates?.();
    },
  };
}

/** Null: without auth.enabled no secret changes while the sidecar runs. */
async function openVaultIfNeeded({ settings, secrets, log }: UpkeepParts): Promise<Vault | null> {
  const { credentials } = secrets;
  if (!credentials) return null;
  const renderConf = (keyring: Keyring): void => writeRedisConf(settings, keyring);
  return openVault({ settings, credentials, log, renderRedisConf: renderConf });
}

function writeRedisConf(settings: Settings, keyring: Keyring): void {
  replaceFileSync(redisConfPath(settings), renderRedisConf(settings, keyring.redisAccess()));
}

async function askAll({ peers, others }: UpkeepWorld): Promise<Others | null> {
  const known = others();
  if (!known) return null;
  const ask = async (peer: Peer) =>
    [peer.member, await peers.credentials(peer, DEADLINES_MS.credentials)] as const;
  return new Map(await Promise.all(known.map(ask)));
}
