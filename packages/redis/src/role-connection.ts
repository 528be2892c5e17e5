/**
 * The one connection down which all changes of role go.
 *
 * Guarantees: role commands reach Redis in the order in which they were asked for, or not at all,
 * also across a lost connection: the next one is used only after it has named the process behind
 * it, and after the lost one has been cut off inside Redis, so that nothing that still waits in
 * its buffer can overtake (red-team U6). Nothing is sent twice. A command for another process is
 * refused before it is sent. A missed deadline closes the connection. Never rejects.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  parseServerInfo,
  type RedisProcess,
  type RoleCommand,
  type RoleOutcome,
} from "@leasehold/replication";
import type { StreamRequest } from "./backlog.ts";
import { otherRoleConnections } from "./client-list.ts";
import type { Answer, Command, Connection, Opening, Reply } from "./connection.ts";
import { LATE, within } from "./deadline.ts";
import { failed, readOutcome, roleErrorOf, WHAT_IS_IT, wireCommands } from "./role-commands.ts";
import { commandInfo, listedClients, strayWriters, writingCommands } from "./stray-writers.ts";

export interface RoleConnection {
  run(command: RoleCommand, process: RedisProcess, deadlineMs: number): Promise<RoleOutcome>;
  /** Opens the connection if there is none, so that the first command need not wait for it. */
  warm(): void;
  close(): void;
}

export interface RoleConnectionParts {
  /** Makes a primary without a backlog create one. */
  requestStream(): StreamRequest;
  open(onClosed: () => void, deadlineMs: number): Promise<Opening>;
  onClosed(): void;
}

/** More than the core has open at any time; beyond it something is wrong. */
const MAX_WAITING = 32;
const WARM_DEADLINE_MS = 1_000;
/** 0.7 to 3 ms as measured. */
const BACKLOG_DEADLINE_MS = 500;
/** Between the two looks of `verifyDemoted`. */
const LOOK_AGAIN_MS = 250;

interface Session {
  readonly connection: Connection;
  readonly process: RedisProcess;
}

type Failed = Extract<RoleOutcome, { readonly ok: false }>;

export function createRoleConnection(parts: RoleConnectionParts): RoleConnection {
  let session: Session | null = null;
  /** The newest one that was open, to be cut off before its successor is used. */
  let lost: Session | null = null;
  let queue: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let isEnded = false;

  const enqueue = <T>(work: () => Promise<T>): Promise<T> => {
    waiting += 1;
    const done = queue.then(work).finally(() => (waiting -= 1));
    queue = done;
    return done;
  };

  const lose = (connection: Connection): void => {
    connection.close();
    if (session?.connection !== connection) return;
    lost = session;
    session = null;
  };

  const openSession = async (endAtMs: number): Promise<Session | Failed> => {
    if (session?.connection.isOpen()) return session;
    if (session) lose(session.connection);
    if (isEnded) return notSent("closed", "this side has closed");
    const opened = await parts.open(() => parts.onClosed(), endAtMs - performance.now());
    if (opened.kind !== "open") return openingFailed(opened);
    const { connection } = opened;
    const next = await identify(connection, lost, endAtMs);
    if ("connection" in next) {
      session = next;
      lost = null;
    } else {
      connection.close();
    }
    return next;
  };

  const execute = async (
    command: RoleCommand,
    process: RedisProcess,
    endAtMs: number,
  ): Promise<RoleOutcome> => {
    const leftMs = (): number => endAtMs - performance.now();
    if (leftMs() <= 0) return notSent("timeout", "older role commands took the whole deadline");
    const current = await openSession(endAtMs);
    if (!("connection" in current)) return current;
    if (current.process.runId !== process.runId || current.process.pid !== process.pid) {
      return notSent(
        "otherProcess",
        `this is Redis ${current.process.pid} (${current.process.runId}), not ${process.pid}`,
      );
    }
    const { connection } = current;
    const requestStream = () => parts.requestStream();
    const work = perform({ connection, process, requestStream }, command);
    const outcome = await within(leftMs(), work);
    if (outcome !== LATE) {
      if (!connection.isOpen()) lose(connection);
      return outcome;
    }
    lose(connection);
    return failed(true, "timeout", `no answer to ${command.kind} in time; connection closed`);
  };

  return {
    run(command, process, deadlineMs) {
      if (waiting >= MAX_WAITING) {
        return Promise.resolve(notSent("refused", `${MAX_WAITING} role commands are waiting`));
      }
      const endAtMs = performance.now() + deadlineMs;
      return enqueue(() => execute(command, process, endAtMs));
    },
    warm() {
      if (waiting > 0 || session?.connection.isOpen()) return;
      void enqueue(() => openSession(performance.now() + WARM_DEADLINE_MS));
    },
    close() {
      isEnded = true;
      if (session) lose(session.connection);
    },
  };
}

/** Asks the process for its name, and cuts off the connection that this one replaces. */
async function identify(
  connection: Connection,
  lost: Session | null,
  endAtMs: number,
): Promise<Session | Failed> {
  const named = await askInTime(connection, [["INFO", "server"]], endAtMs);
  if (!("replies" in named)) return named;
  const process = parseServerInfo(textOf(named.replies[0]));
  if ("unreadable" in process) return notSent("refused", process.unreadable);
  if (lost?.process.runId === process.runId) {
    const cut = await askInTime(connection, [cutOff(lost.connection.id)], endAtMs);
    if (!("replies" in cut)) return cut;
  }
  return { connection, process };
}

async function askInTime(
  connection: Connection,
  commands: readonly Command[],
  endAtMs: number,
): Promise<{ readonly replies: readonly Reply[] } | Failed> {
  const answer = await within(endAtMs - performance.now(), connection.ask(commands));
  if (answer === LATE) return notSent("timeout", "Redis did not name itself in time");
  if (answer.closed) return notSent("closed", answer.message);
  const refused = answer.replies.find((reply) => !reply.ok);
  if (refused) return notSent(roleErrorOf(refused.refusal), refused.message);
  return answer;
}

interface Performer extends Session {
  readonly requestStream: () => StreamRequest;
}

async function perform(performer: Performer, command: RoleCommand): Promise<RoleOutcome> {
  const { connection, process } = performer;
  if (command.kind === "verifyDemoted") return verifyDemoted(connection, process);
  if (command.kind === "cutWriters") return cutWriters(performer, command.scripts);
  const answer = await connection.ask(wireCommands(command));
  if (answer.closed) return closed(answer);
  const outcome = readOutcome(process, answer.replies);
  if (!outcome.ok || command.kind !== "promote" || hasBacklog(answer)) return outcome;
  return withBacklog(performer);
}

/** Only with a backlog the replid is one that stays (docs/adr/0007). */
async function withBacklog(performer: Performer): Promise<RoleOutcome> {
  const { connection, process } = performer;
  const endAtMs = performance.now() + BACKLOG_DEADLINE_MS;
  const request = performer.requestStream();
  try {
    for (;;) {
      const answer = await connection.ask([WHAT_IS_IT]);
      if (answer.closed) return closed(answer);
      if (hasBacklog(answer)) return readOutcome(process, answer.replies);
      const trouble = request.trouble();
      if (trouble !== null) return failed(true, "refused", trouble);
      if (performance.now() > endAtMs) {
        return failed(true, "refused", "Redis created no replication backlog in time");
      }
      await sleep(1);
    }
  } finally {
    request.close();
  }
}

function hasBacklog(answer: Extract<Answer, { readonly closed: false }>): boolean {
  return !/^repl_backlog_active:0/m.test(textOf(answer.replies.at(-1)));
}

/**
 * Two looks. Older role connections that the first one finds are cut off: what they have sent is
 * executed by then or never, so the second look is final.
 */
async function verifyDemoted(connection: Connection, process: RedisProcess): Promise<RoleOutcome> {
  const first = await look(connection, process);
  if (!first.outcome.ok) return first.outcome;
  if (first.others.length > 0) await connection.ask(first.others.map(cutOff));
  await sleep(LOOK_AGAIN_MS);
  const second = await look(connection, process);
  if (!second.outcome.ok) return second.outcome;
  if (second.others.length > 0) {
    const ids = second.others.join(", ");
    return failed(true, "refused", `role connections of another process stay open: client ${ids}`);
  }
  return first.outcome.role === "primary" ? first.outcome : second.outcome;
}

interface Look {
  readonly outcome: RoleOutcome;
  readonly others: readonly number[];
}

async function look(connection: Connection, process: RedisProcess): Promise<Look> {
  const answer = await connection.ask([["CLIENT", "LIST", "TYPE", "normal"], WHAT_IS_IT]);
  if (answer.closed) return { outcome: closed(answer), others: [] };
  const outcome = readOutcome(process, answer.replies);
  return { outcome, others: otherRoleConnections(textOf(answer.replies[0]), connection.id) };
}

/** No promotion comes in between: it would wait behind this command. */
async function cutWriters(
  { connection, process }: Session,
  scripts: boolean,
): Promise<RoleOutcome> {
  const listed = await connection.ask([["CLIENT", "LIST", "TYPE", "normal"], WHAT_IS_IT]);
  if (listed.closed) return closed(listed);
  const outcome = readOutcome(process, listed.replies);
  const clients = listedClients(textOf(listed.replies[0]), connection.id);
  const question = commandInfo(clients);
  if (!outcome.ok || outcome.role === "primary" || question === null) return outcome;
  const told = await connection.ask([question]);
  if (told.closed) return closed(told);
  const [reply] = told.replies;
  if (reply?.ok !== true) return readOutcome(process, told.replies);
  const ids = strayWriters(clients, writingCommands(reply.value), scripts);
  // Who has left meanwhile is no failure.
  const cut = await connection.ask([...ids.map(cutOff), WHAT_IS_IT]);
  return cut.closed ? closed(cut) : readOutcome(process, cut.replies.slice(-1));
}

function cutOff(id: number): Command {
  return ["CLIENT", "KILL", "ID", String(id)];
}

function textOf(reply: Reply | undefined): string {
  return reply?.ok === true && typeof reply.value === "string" ? reply.value : "";
}

function closed(answer: Extract<Answer, { readonly closed: true }>): RoleOutcome {
  return failed(true, "closed", answer.message);
}

function openingFailed(opened: Exclude<Opening, { readonly kind: "open" }>): Failed {
  switch (opened.kind) {
    case "nobody":
    case "hungUp":
      return notSent("closed", opened.message);
    case "silent":
      return notSent("timeout", opened.message);
    case "refused":
      return notSent(roleErrorOf(opened.refusal), opened.message);
  }
}

function notSent(error: Failed["error"], message: string): Failed {
  return { ok: false, sent: false, error, message };
}
