/**
 * The primary outside the group that the settings name: how Redis follows it, and what is asked of
 * it at the cutover.
 */
import { createRedisSource, type RedisSource } from "@leasehold/redis";
import { readNeeded } from "../auth/secret-file.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings/schema.ts";
import { openRelay, type Relay } from "./relay.ts";

export interface Source extends RedisSource, Relay {}

/** Null: no source is configured. Rejects if the relay gets no port. */
export async function openSource(
  { source }: Pick<Settings, "source">,
  log: Pick<Log, "warn">,
): Promise<Source | null> {
  const { host, port, username, passwordFile } = source;
  if (host === "") return null;
  const password = async (): Promise<string> =>
    passwordFile === "" ? "" : readNeeded(passwordFile, "source.passwordFile");
  const relay = await openRelay({ host, port, username, password }, (words) => log.warn(words));
  const asker = async (): Promise<RedisSource> =>
    createRedisSource({ host, port, username, password: await password() });
  return {
    ...relay,
    async stand(closes, deadlineMs) {
      return (await asker()).stand(closes, deadlineMs);
    },
    async reopen(deadlineMs) {
      return (await asker()).reopen(deadlineMs);
    },
  };
}
