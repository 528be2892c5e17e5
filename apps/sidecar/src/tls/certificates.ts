/**
 * The certificate that Redis shows, and its renewal while Redis runs.
 *
 * Redis reads copies in the run directory, made of files that were checked: so it never reads a
 * pair of which only one half is there yet, and a restarted Redis still finds the last good one
 * after a bad one was mounted. Certificate and key lie in one file, which changes as a whole.
 *
 * Guarantees: a file that others would not believe, or that Redis itself refuses, is refused with
 * an Event, once, and changes nothing; a copy that Redis has not read yet replaces one that it has
 * only while no Redis is there, and by turns with it; every wait is bounded; what failed is tried
 * again. Decides nothing about roles.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Reason } from "@leasehold/replication";
import type { AdminOutcome, RedisAdmin } from "@leasehold/redis";
import { readNeeded } from "../auth/secret-file.ts";
import { replaceFileSync } from "../files/atomic.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings/schema.ts";
import { checkCertificate, type CertificateTexts } from "./certificate.ts";

export interface CertificatePaths {
  /** Certificate, chain and key. */
  readonly pair: string;
  readonly ca: string;
}

export function certificatePaths({ directories }: Pick<Settings, "directories">): CertificatePaths {
  return { pair: join(directories.run, "tls.pem"), ca: join(directories.run, "tls-ca.pem") };
}

export interface Certificates {
  /** Makes the copies that Redis needs to start. Never rejects. */
  render(): Promise<void>;
  /** Begins to follow the files. Returns the end. */
  follow(world: CertificateWorld): () => void;
  /** Of the certificate in use; null: not known. */
  expiresAtMs(): number | null;
}

export interface CertificateWorld {
  readonly admin: RedisAdmin;
  readonly announce: (reason: Reason, words: string) => void;
  readonly pollMs?: number;
}

interface Copies {
  readonly pair: string;
  readonly ca: string;
}

interface State {
  /** What Redis has read last, or starts with. Null: none. */
  copied: Copies | null;
  /** Null: the copies were not found good. */
  expiresAtMs: number | null;
  /** The copies are what Redis has read. */
  isLoaded: boolean;
  /** For so many turns no Redis was there to read others. */
  absentTurns: number;
  /** Why the files are refused as they are; said once. */
  refused: string;
}

const POLL_MS = 2_000;
const ADMIN_DEADLINE_MS = 1_000;
/** Far longer than the guard's back-off between two starts. */
const ABSENT_TURNS = 15;

export function openCertificates(
  settings: Settings,
  tls: NonNullable<Settings["redis"]["tls"]>,
  log: Log,
): Certificates {
  const paths = certificatePaths(settings);
  const state: State = {
    copied: null,
    expiresAtMs: null,
    isLoaded: false,
    absentTurns: 0,
    refused: "",
  };
  const now = (): Date => new Date();
  const context = { tls, paths, state, log, now };
  return {
    async render() {
      const before = readCopies(paths);
      if (before) {
        const { pair, ca } = before;
        const check = checkCertificate({ ...tls, cert: pair, key: pair, ca }, now());
        state.copied = before;
        if (check.ok) state.expiresAtMs = check.expiresAtMs;
        return;
      }
      try {
        const texts = await readTexts(tls);
        const check = checkCertificate(texts, now());
        const copies = copiesOf(texts);
        // A doubtful certificate is better than no Redis; the first turn says what is wrong.
        writeCopies(paths, copies);
        state.copied = copies;
        if (!check.ok) return;
        state.expiresAtMs = check.expiresAtMs;
        state.isLoaded = true;
      } catch (error) {
        log.error(`Redis cannot start with TLS as it is: ${wordsOf(error)}`);
      }
    },
    follow(world) {
      const stopping = new AbortController();
      void followFiles({ ...context, ...world }, stopping.signal);
      return () => stopping.abort();
    },
    expiresAtMs: () => state.expiresAtMs,
  };
}

interface Context extends CertificateWorld {
  readonly tls: NonNullable<Settings["redis"]["tls"]>;
  readonly paths: CertificatePaths;
  readonly state: State;
  readonly log: Log;
  /** A certificate's dates are the wall clock's. */
  readonly now: () => Date;
}

async function followFiles(context: Context, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await turn(context);
    } catch (error) {
      refuse(context, wordsOf(error), wordsOf(error));
    }
    await sleep(context.pollMs ?? POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function turn(context: Context): Promise<void> {
  const { state, tls, now } = context;
  const texts = await readTexts(tls);
  const copies = copiesOf(texts);
  if (state.isLoaded && state.copied && isEqual(copies, state.copied)) {
    state.refused = "";
    return;
  }
  const check = checkCertificate(texts, now());
  if (!check.ok) {
    refuse(context, check.words, digestOf(copies));
    return;
  }
  await exchange(context, copies, check.expiresAtMs);
}

/** Redis itself has the last word: what it has not read is taken back. */
async function exchange(context: Context, copies: Copies, expiresAtMs: number): Promise<void> {
  const { paths, state, announce, log } = context;
  const byRedis = `by Redis: ${digestOf(copies)}`;
  if (state.refused === byRedis) return;
  state.refused = "";
  writeCopies(paths, copies);
  const outcome = await load(context);
  if (outcome.ok) {
    const isNew = state.copied !== null && !isEqual(copies, state.copied);
    state.copied = copies;
    state.expiresAtMs = expiresAtMs;
    state.absentTurns = 0;
    const until = new Date(expiresAtMs).toISOString();
    if (isNew) {
      announce("certificateReloaded", `Redis shows a new certificate, valid until ${until}`);
    }
    return;
  }
  if (outcome.why === "refused") {
    refuse(context, `Redis refuses it: ${outcome.message}`, byRedis);
    return;
  }
  state.absentTurns = outcome.why === "absent" ? state.absentTurns + 1 : 0;
  if (state.absentTurns === ABSENT_TURNS) {
    log.warn("Redis has not been there for a while: it may start with what is mounted now");
  }
  // Either may be what keeps Redis from starting.
  const isTurnOfNew = Math.floor(state.absentTurns / ABSENT_TURNS) % 2 === 1;
  if (!isTurnOfNew) restore(context);
}

/** Redis reads all its files anew when one of their names is set, also to what it was. */
async function load({ admin, paths, state, log }: Context): Promise<AdminOutcome> {
  const command = ["CONFIG", "SET", "tls-cert-file", paths.pair] as const;
  const outcome = await admin.run([command], ADMIN_DEADLINE_MS);
  state.isLoaded = outcome.ok;
  if (!outcome.ok) log.debug(`Redis did not read its certificate anew: ${outcome.message}`);
  return outcome;
}

function refuse(context: Context, words: string, of: string): void {
  const { state, announce } = context;
  if (state.refused === of) return;
  state.refused = of;
  restore(context);
  const isOther = state.expiresAtMs !== null;
  const rest = isOther ? "the certificate before it stays in use" : "there is no other one";
  announce("certificateRejected", `${words}; ${rest}`);
}

function restore({ paths, state, log }: Context): void {
  try {
    if (state.copied) writeCopies(paths, state.copied);
  } catch (error) {
    log.error(`the certificate before cannot be put back: ${wordsOf(error)}`);
  }
}

async function readTexts(tls: Context["tls"]): Promise<CertificateTexts> {
  const [cert, key, ca] = await Promise.all([
    readNeeded(tls.certFile, "redis.tls.certFile"),
    readNeeded(tls.keyFile, "redis.tls.keyFile"),
    readNeeded(tls.caFile, "redis.tls.caFile"),
  ]);
  return { cert, key, ca, authClients: tls.authClients };
}

function copiesOf({ cert, key, ca }: CertificateTexts): Copies {
  return { pair: `${cert}\n${key}\n`, ca: `${ca}\n` };
}

function writeCopies(paths: CertificatePaths, { pair, ca }: Copies): void {
  replaceFileSync(paths.ca, ca);
  replaceFileSync(paths.pair, pair);
}

/** Of a predecessor. */
function readCopies(paths: CertificatePaths): Copies | null {
  if (!existsSync(paths.pair) || !existsSync(paths.ca)) return null;
  return { pair: readFileSync(paths.pair, "utf8"), ca: readFileSync(paths.ca, "utf8") };
}

function isEqual(a: Copies, b: Copies): boolean {
  return a.pair === b.pair && a.ca === b.ca;
}

function digestOf({ pair, ca }: Copies): string {
  return createHash("sha256").update(`${pair}\n${ca}`).digest("hex");
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
