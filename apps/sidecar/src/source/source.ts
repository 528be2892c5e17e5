/**
 * The primary outside the group that the settings name: how Redis follows it, and what is asked of
 * it at the cutover.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
import { createRedisSource, type RedisSource } from "@leasehold/redis";
import { readNeeded } from "../auth/secret-file.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings/schema.ts";
import { openRelay, type Relay } from "./relay.ts";

/** A source that was busy or away right then: for half a minute, and no longer than people wait. */
const OPEN_TRIES = 15;
const OPEN_AGAIN_MS = 2_000;

type SourceTls = NonNullable<Settings["source"]["tls"]>;

export interface Source extends RedisSource, Relay {}

/** Null: no source is configured. Rejects if the relay gets no port. */
export async function openSource(
  { source }: Pick<Settings, "source">,
  log: Pick<Log, "warn" | "error">,
): Promise<Source | null> {
  const { host, port, username, passwordFile, tls } = source;
  if (host === "") return null;
  const password = async (): Promise<string> =>
    passwordFile === "" ? "" : readNeeded(passwordFile, "source.passwordFile");
  const secure = tls === null ? null : (): Promise<ConnectionOptions> => readTls(tls);
  const relay = await openRelay({ host, port, username, password, secure }, (words) =>
    log.warn(words),
  );
  const ask = async (): Promise<RedisSource> => {
    const over = secure === null ? {} : { tls: await secure() };
    return createRedisSource({ host, port, username, password: await password(), ...over });
  };
  return { ...relay, ...oneByOne(ask, log) };
}

/** Read for each connection: a renewed certificate needs no restart. */
async function readTls(tls: SourceTls): Promise<ConnectionOptions> {
  const read = async (path: string, key: string): Promise<string | undefined> =>
    path === "" ? undefined : readNeeded(path, `source.tls.${key}`);
  const [ca, cert, key] = await Promise.all([
    read(tls.caFile, "caFile"),
    read(tls.certFile, "certFile"),
    read(tls.keyFile, "keyFile"),
  ]);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(tls.serverName === "" ? {} : { servername: tls.serverName }),
  };
}

/**
 * Closings and openings, one at a time and in the order in which they were decided: a late opening
 * opens nothing that a later cutover closed, and a late closing closes nothing that was opened.
 */
export function oneByOne(
  ask: () => Promise<RedisSource>,
  log: Pick<Log, "warn" | "error">,
  againMs = OPEN_AGAIN_MS,
): RedisSource {
  let last: Promise<unknown> = Promise.resolve();
  let closings = 0;

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  }

  const open = (deadlineMs: number): Promise<string | null> =>
    inTurn(async () => (await ask()).reopen(deadlineMs)).catch(String);

  async function openLate(before: number, why: string): Promise<void> {
    for (let tries = 0; tries < OPEN_TRIES; tries += 1) {
      await sleep(againMs, undefined, { ref: false });
      if (closings !== before) return;
      if ((await open(againMs)) === null) {
        log.warn(`the source was opened late, after: ${why}`);
        return;
      }
    }
    log.error(`the source stays closed, after ${OPEN_TRIES} more tries: open it by hand`);
  }

  return {
    stand(closes, deadlineMs) {
      closings += 1;
      const endAtMs = performance.now() + deadlineMs;
      return inTurn(async () => {
        const source = await ask();
        const leftMs = endAtMs - performance.now();
        // Nobody waits for it any more: what it closed would stay closed.
        if (leftMs <= 0) return { kind: "failed", words: "the source did not answer in time" };
        return source.stand(closes, leftMs);
      });
    },
    async reopen(deadlineMs) {
      const before = closings;
      const why = await open(deadlineMs);
      if (why !== null) void openLate(before, why);
      return why;
    },
  };
}
