/**
 * What is kept up beside the decisions: the files that Redis reads when it starts, its passwords,
 * its certificate and its configuration, and whether it could write what a promotion writes. Wires
 * only; auth/, tls/, live/ and write-rights.ts say what each does.
 */
import { existsSync, readFileSync } from "node:fs";
import type { Peer, Reason } from "@leasehold/replication";
import { createRedisAdmin } from "@leasehold/redis";
import { fixedKeyring, type Keyring } from "./auth/keyring.ts";
import { startRotation, type Others, type Rotation, type RotationView } from "./auth/rotation.ts";
import type { Secrets } from "./auth/secrets.ts";
import { openVault, type Vault } from "./auth/vault.ts";
import { DEADLINES_MS } from "./deadlines.ts";
import { replaceFileSync } from "./files/atomic.ts";
import { checkUserLines, redisConfPath, renderRedisConf, userLinesOf } from "./files/redis-conf.ts";
import { followConfiguration, type LiveConfiguration } from "./live/live-configuration.ts";
import type { Log } from "./log.ts";
import type { CredentialsAnswer } from "./peers/messages.ts";
import type { PeerClient } from "./peers/peer-client.ts";
import { socketPath } from "./settings/member-config.ts";
import type { Settings } from "./settings/schema.ts";
import type { SettingsOutcome } from "./settings/settings.ts";
import { openCertificates } from "./tls/certificates.ts";
import { followWriteRights, type WriteRights, type WriteRightsParts } from "./write-rights.ts";

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
  /** Settings have changed that wait for a restart of the pod. */
  readonly restartPending: boolean;
  /** As a Role would grant them. */
  readonly missingRights: readonly string[];
}

export interface UpkeepWorld extends Pick<WriteRightsParts, "rehearse" | "isCalm"> {
  readonly peers: Pick<PeerClient, "credentials">;
  /** The other members that have an address; null: not known yet. */
  readonly others: () => readonly Peer[] | null;
  readonly announce: (reason: Reason, words: string) => void;
}

export interface UpkeepParts {
  readonly settings: Settings;
  readonly secrets: Secrets;
  /** The settings as they are mounted now. */
  readonly reload: () => Promise<SettingsOutcome>;
  readonly log: Log;
}

/** Resolves when everything is there that Redis needs to start. */
export async function openUpkeep(parts: UpkeepParts): Promise<Upkeep> {
  const { settings, reload, log } = parts;
  const certificates = settings.redis.tls
    ? openCertificates(settings, settings.redis.tls, log)
    : null;
  await certificates?.render();
  const conf = openRedisConf(settings);
  const vault = await openVaultIfNeeded(parts, conf);
  const keyring = vault?.keyring ?? fixedKeyring(settings, parts.secrets);
  // The guard starts Redis once redis.conf is there: it comes last.
  await (vault ? vault.write() : conf.write(keyring));
  let rotation: Rotation | null = null;
  let live: LiveConfiguration | null = null;
  let rights: WriteRights | null = null;
  let stopCertificates: (() => void) | undefined;
  return {
    keyring,
    start(world) {
      const { announce } = world;
      rights = followWriteRights(world);
      const admin = createRedisAdmin({ socket: socketPath(settings), ...keyring.login });
      stopCertificates = certificates?.follow({ admin, announce });
      live = followConfiguration({
        ...{ settings: conf.settings(), reload, admin, announce, log },
        check: (lines) => checkUserLines(lines, settings.persistence.mode),
        render: (lines) => conf.setLines(lines, keyring),
      });
      if (!vault) return;
      const askOthers = (): Promise<Others | null> => askAll(world);
      rotation = startRotation({ settings, vault, admin, askOthers, announce, log });
    },
    credentials: () => rotation?.answer() ?? { accepts: null, uses: null, told: [] },
    view: () => ({
      rotation: rotation?.view() ?? null,
      certificateExpiresAtMs: certificates?.expiresAtMs() ?? null,
      restartPending: live?.isPending() ?? false,
      missingRights: rights?.missing() ?? [],
    }),
    stop() {
      rights?.stop();
      rotation?.stop();
      stopCertificates?.();
      live?.stop();
    },
  };
}

/** Null: without auth.enabled no secret changes while the sidecar runs. */
async function openVaultIfNeeded(
  { settings, secrets, log }: UpkeepParts,
  conf: RedisConf,
): Promise<Vault | null> {
  const { credentials } = secrets;
  if (!credentials) return null;
  const renderConf = (keyring: Keyring): void => conf.write(keyring);
  return openVault({ settings, credentials, log, renderRedisConf: renderConf });
}

interface RedisConf {
  /** With the lines of the user that the file holds. */
  settings(): Settings;
  setLines(lines: readonly string[], keyring: Keyring): void;
  write(keyring: Keyring): void;
}

/** Beside a Redis of a predecessor it begins with the lines that this Redis began with. */
function openRedisConf(settings: Settings): RedisConf {
  const path = redisConfPath(settings);
  const before = existsSync(path) ? userLinesOf(readFileSync(path, "utf8")) : null;
  let lines = before ?? settings.redis.configuration;
  const conf: RedisConf = {
    settings: () => ({ ...settings, redis: { ...settings.redis, configuration: [...lines] } }),
    setLines(next, keyring) {
      lines = next;
      conf.write(keyring);
    },
    write(keyring) {
      replaceFileSync(path, renderRedisConf(conf.settings(), keyring.redisAccess()));
    },
  };
  return conf;
}

async function askAll({ peers, others }: UpkeepWorld): Promise<Others | null> {
  const known = others();
  if (!known) return null;
  const ask = async (peer: Peer) =>
    [peer.member, await peers.credentials(peer, DEADLINES_MS.credentials)] as const;
  return new Map(await Promise.all(known.map(ask)));
}
