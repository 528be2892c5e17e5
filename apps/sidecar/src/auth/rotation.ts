/**
 * Follows the Secret's files while the sidecar runs, and brings a change to Redis and to the
 * other members without closing a connection. When a password is accepted, used and forgotten is
 * rotation-state.ts' matter; this performs it, one step after the other, every two seconds.
 *
 * Guarantees: every wait is bounded; a step that failed is tried again at the next turn; files
 * that cannot be used change nothing. Decides nothing about roles and never ends the sidecar.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { MemberName } from "@leasehold/election";
import type { Reason } from "@leasehold/replication";
import type { RedisAdmin } from "@leasehold/redis";
import type { Log } from "../log.ts";
import type { CredentialsAnswer } from "../peers/messages.ts";
import type { Settings } from "../settings/schema.ts";
import { setUserCommand } from "./acl.ts";
import { adopt, isLearning, learned, tell } from "./hearsay.ts";
import {
  accepted,
  aclUsersOf,
  activated,
  passTime,
  rotate,
  shortestLeftMs,
  type RotationState,
} from "./rotation-state.ts";
import { readCredentials } from "./secrets.ts";
import type { Vault } from "./vault.ts";

export interface Rotation {
  /** What another member may know. */
  answer(): CredentialsAnswer;
  view(): RotationView;
  stop(): void;
}

/** What each other member says of its passwords. */
export type Others = ReadonlyMap<MemberName, CredentialsAnswer | "refused" | null>;

export interface RotationParts {
  readonly settings: Settings;
  readonly vault: Vault;
  readonly admin: RedisAdmin;
  /** Null: not all members are known yet. */
  readonly askOthers: () => Promise<Others | null>;
  readonly announce: (reason: Reason, words: string) => void;
  readonly log: Log;
  readonly times?: RotationTimes;
}

export interface RotationTimes {
  readonly pollMs: number;
  /** How long a member may lag before people hear of it. */
  readonly patienceMs: number;
}

export interface RotationView {
  /** By user. */
  readonly generations: ReadonlyMap<string, number>;
  /** All members use the same passwords. */
  readonly inSync: boolean;
}

/** The kubelet itself needs a minute or two. */
const TIMES: RotationTimes = { pollMs: 2_000, patienceMs: 300_000 };
const ADMIN_DEADLINE_MS = 1_000;
/** How old the remembered time of an old password may be. */
const SAVE_EVERY_MS = 60_000;
/** When all is settled, the others are asked that seldom. */
const ASK_EVERY_TURNS = 15;

interface Progress {
  /** The users as the running Redis has them, as text of users.acl; null: not known. */
  redisHas: string | null;
  /** Fingerprints of what Redis accepts, and of what is used towards others. */
  accepts: string | null;
  uses: string | null;
  inSync: boolean;
  /** Since when somebody lags; null: nobody. */
  lagsSinceMs: number | null;
  complained: string;
  /** Time in sync that the old passwords were not charged with yet. */
  unchargedMs: number;
  chargedAtMs: number;
  turn: number;
}

export function startRotation(parts: RotationParts): Rotation {
  const { settings, vault, log } = parts;
  if (vault.state().credentials.keyIsDerived) warnOfDerivedKey(parts.announce);
  const { pollMs, patienceMs } = parts.times ?? TIMES;
  const { fingerprint } = vault.state().credentials;
  const known = vault.isFresh ? fingerprint : null;
  const progress: Progress = {
    redisHas: vault.isFresh ? vault.aclText() : null,
    accepts: known,
    uses: known,
    inSync: false,
    lagsSinceMs: null,
    complained: "",
    unchargedMs: 0,
    chargedAtMs: performance.now(),
    turn: 0,
  };
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    let trouble = "";
    while (!stopping.signal.aborted) {
      try {
        await turn({ ...parts, progress, pollMs, patienceMs });
        trouble = "";
      } catch (error) {
        // The same words once: it is tried every two seconds.
        if (String(error) !== trouble) log.error(`passwords: ${String(error)}`);
        trouble = String(error);
      }
      await sleep(pollMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  void run();
  return {
    answer: () => ({
      accepts: progress.accepts,
      uses: progress.uses,
      told: tell(passTime(vault.state(), progress.unchargedMs), settings.auth.rotationOverlapMs),
    }),
    view: () => ({
      generations: new Map(vault.state().users.map(({ name, generation }) => [name, generation])),
      inSync: progress.inSync,
    }),
    stop: () => stopping.abort(),
  };
}

interface Turn extends RotationParts, RotationTimes {
  readonly progress: Progress;
}

async function turn(context: Turn): Promise<void> {
  await noticeChange(context);
  await bringToRedis(context);
  await agree(context);
  await forgetOld(context);
  context.progress.turn += 1;
}

async function noticeChange({ settings, vault, progress, announce, log }: Turn): Promise<void> {
  const credentials = await readCredentials(settings);
  const state = vault.state();
  if (credentials.fingerprint === state.credentials.fingerprint) return;
  const next = rotate(state, credentials, settings.auth.rotationOverlapMs);
  log.info(`the passwords of ${changed(state, next).join(", ")} have changed: both are accepted`);
  if (credentials.keyIsDerived && !state.credentials.keyIsDerived) warnOfDerivedKey(announce);
  progress.inSync = false;
  progress.unchargedMs = 0;
  await vault.change(next);
}

async function bringToRedis({ vault, admin, progress, log }: Turn): Promise<void> {
  const state = vault.state();
  const text = vault.aclText();
  if (progress.redisHas !== text) {
    // A file that could not be written when the state changed is written now.
    await vault.write();
    const outcome = await admin.run(aclUsersOf(state).map(setUserCommand), ADMIN_DEADLINE_MS);
    if (!outcome.ok) {
      if (outcome.why === "refused") throw new Error(`Redis refuses its users: ${outcome.message}`);
      log.debug(`Redis does not take its users now: ${outcome.message}`);
      return;
    }
    progress.redisHas = text;
  }
  progress.accepts = state.credentials.fingerprint;
  if (state.agentPassword !== state.credentials.agentPassword) await vault.change(accepted(state));
}

/** Once every member accepts the newest passwords, they are used. */
async function agree(context: Turn): Promise<void> {
  const { vault, progress } = context;
  const { fingerprint } = vault.state().credentials;
  const isSettled = progress.inSync && progress.uses === fingerprint && !isLearning(vault.state());
  if (isSettled && progress.turn % ASK_EVERY_TURNS !== 0) return;
  const others = await context.askOthers();
  if (others === null) return;
  const answers = [...others.values()].map((answer) => (answer === "refused" ? null : answer));
  await learn(context, answers);
  if (answers.every((answer) => answer?.accepts === fingerprint)) await use(context);
  progress.inSync =
    progress.uses === fingerprint && answers.every((answer) => answer?.uses === fingerprint);
  complain(context, others);
}

/** Before this member may lead, if it can be: what it learns goes to Redis at once. */
async function learn(context: Turn, answers: readonly (CredentialsAnswer | null)[]): Promise<void> {
  const { settings, vault, log } = context;
  const state = vault.state();
  if (!isLearning(state)) return;
  const told = answers.flatMap((answer) => answer?.told ?? []);
  const next = adopt(state, told, settings.auth.rotationOverlapMs);
  // Who has just started does not know yet; who is alone is not told by anybody.
  const isComplete =
    answers.length > 0 && answers.every((answer) => (answer?.accepts ?? null) !== null);
  if (next === state && !isComplete) return;
  await vault.change(isComplete ? learned(next) : next);
  if (next === state) return;
  const names = next.users.filter((user, index) => user !== state.users[index]);
  const users = names.map(({ name }) => name).join(", ");
  log.info(`other members still accept older passwords of ${users}: this one does, too`);
  await bringToRedis(context);
}

async function use({ vault, admin, progress, announce }: Turn): Promise<void> {
  const state = vault.state();
  const { fingerprint, replicationPassword } = state.credentials;
  if (progress.accepts !== fingerprint || progress.uses === fingerprint) return;
  // Connections to the primary stay; the next one uses it.
  const setMasterAuth = ["CONFIG", "SET", "masterauth", replicationPassword] as const;
  const outcome = await admin.run([setMasterAuth], ADMIN_DEADLINE_MS);
  if (!outcome.ok) throw new Error(`Redis did not take the new masterauth: ${outcome.message}`);
  await vault.change(activated(state));
  progress.uses = fingerprint;
  const names = state.users.filter(({ retired }) => retired.length > 0).map(({ name }) => name);
  if (names.length > 0) {
    announce("credentialsRotated", `all members accept the new passwords of ${names.join(", ")}`);
  }
}

function complain({ vault, progress, announce, patienceMs }: Turn, others: Others): void {
  const state = vault.state();
  const { fingerprint } = state.credentials;
  const isPending = progress.uses !== fingerprint || shortestLeftMs(state) < Infinity;
  const words = [...others].flatMap(([member, answer]) => {
    if (answer === "refused") return [`${member} has another internal key`];
    // A member that is down is told of elsewhere, unless it is waited for.
    if (answer === null) return isPending ? [`${member} does not answer`] : [];
    return answer.accepts === fingerprint ? [] : [`${member} has other passwords`];
  });
  const now = performance.now();
  if (words.length === 0) {
    progress.lagsSinceMs = null;
    progress.complained = "";
    return;
  }
  progress.lagsSinceMs ??= now;
  const all = words.join(", ");
  if (now - progress.lagsSinceMs < patienceMs || all === progress.complained) return;
  progress.complained = all;
  const rest = "old passwords stay in force; compare the Secrets that the members mount";
  announce("credentialsOutOfSync", `${all}: ${rest}`);
}

/** Their time passes only while all members use the new ones. */
async function forgetOld({ vault, progress, pollMs }: Turn): Promise<void> {
  const now = performance.now();
  // A process that was frozen has not seen whether all was well meanwhile.
  const elapsedMs = Math.min(now - progress.chargedAtMs, 2 * pollMs);
  progress.chargedAtMs = now;
  if (progress.inSync) progress.unchargedMs += elapsedMs;
  const state = vault.state();
  if (progress.unchargedMs < Math.min(SAVE_EVERY_MS, shortestLeftMs(state))) return;
  const next = passTime(state, progress.unchargedMs);
  progress.unchargedMs = 0;
  if (next !== state) await vault.change(next);
}

function warnOfDerivedKey(announce: RotationParts["announce"]): void {
  announce(
    "internalKeyDerived",
    "there is no file auth.internalKeyFile: what members prove to one another is derived from the " +
      "applications' password, and whoever knows that can pose as a member; add the key",
  );
}

function changed(before: RotationState, after: RotationState): readonly string[] {
  return after.users
    .filter((user) => before.users.find(({ name }) => name === user.name)?.hash !== user.hash)
    .map(({ name }) => name);
}
