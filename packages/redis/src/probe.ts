/**
 * Asks Redis how it is, over two connections of its own that are opened beforehand: when
 * `maxclients` is reached, a third one would not get in.
 *
 * Guarantees: changes nothing in Redis. However long Redis hangs, two questions are open at most:
 * the next probe waits for the same ones, and a late answer is its answer. `refused` is said only
 * when the kernel says that nobody listens. A connection that is closed is replaced at once, and
 * after a failure with the next probe.
 */
import { parseInfo, parseReplicationInfo, type RedisObservation } from "@leasehold/replication";
import {
  isListening,
  type Answer,
  type Connection,
  type Failure,
  type Opening,
} from "./connection.ts";
import { LATE, within } from "./deadline.ts";
import type { RedisEndpoint } from "./options.ts";

export interface Probe {
  probe(deadlineMs: number): Promise<RedisObservation>;
  offset(deadlineMs: number): Promise<number | null>;
  close(): void;
}

export interface ProbeParts {
  readonly endpoint: RedisEndpoint;
  /** Has a deadline of its own. */
  open(onClosed: () => void): Promise<Opening>;
  /** A connection was closed by the other side. */
  onClosed(): void;
}

const LINKS = 2;
/** A cut of all clients closes the links under the question, and one more while it opens. */
const TURNS = LINKS + 2;
/** An answer that takes longer makes us ask the kernel whether anybody is there. */
const KNOCK_AFTER_MS = 50;
/** A question this old is given up with its connection: TCP may have lost the other end. */
const GIVE_UP_MS = 10_000;

interface Link {
  readonly connection: Connection;
  question: Promise<Answer> | null;
  askedAtMs: number;
}

export function createProbe(parts: ProbeParts): Probe {
  let links: readonly Link[] = [];
  let opening: Promise<Opening> | null = null;
  let isEnded = false;

  const drop = (link: Link): void => {
    links = links.filter((other) => other !== link);
    link.connection.close();
  };
  const open = async (): Promise<Opening> => {
    let link: Link | null = null;
    const opened = await parts.open(() => {
      if (link) drop(link);
      refill();
      parts.onClosed();
    });
    opening = null;
    if (opened.kind !== "open") return opened;
    link = { connection: opened.connection, question: null, askedAtMs: 0 };
    if (isEnded) drop(link);
    else links = [...links, link];
    refill();
    return opened;
  };
  const refill = (): void => {
    if (!isEnded && opening === null && links.length < LINKS) opening = open();
  };
  const askInfo = (link: Link): void => {
    link.askedAtMs = performance.now();
    link.question = link.connection.ask([["INFO"]]).then((answer) => {
      link.question = null;
      if (answer.closed) drop(link);
      return answer;
    });
  };

  /** The first answer to an open question, after asking one more if a link is idle. */
  const firstAnswer = async (endAtMs: number): Promise<Answer | typeof LATE | "nobody"> => {
    const leftMs = (): number => endAtMs - performance.now();
    const idle = leastRecentlyAsked(links.filter(({ question }) => question === null));
    if (idle) askInfo(idle);
    const questions = links.map(({ question }) => question).filter((question) => question !== null);
    const soon = await within(Math.min(KNOCK_AFTER_MS, leftMs()), Promise.race(questions));
    if (soon !== LATE) return soon;
    if ((await isListening(parts.endpoint, leftMs())) === false) return "nobody";
    return within(leftMs(), Promise.race(questions));
  };

  refill();
  return {
    async probe(deadlineMs) {
      const endAtMs = performance.now() + deadlineMs;
      const tooOld = performance.now() - GIVE_UP_MS;
      links.filter((link) => link.question && link.askedAtMs < tooOld).forEach(drop);
      let message = "every connection was closed under the question";
      for (let turn = 0; turn < TURNS; turn += 1) {
        refill();
        if (links.length === 0) {
          const opened = await within(endAtMs - performance.now(), opening ?? CLOSED);
          if (opened === LATE) return silent(`no connection within ${deadlineMs} ms`);
          if (opened.kind === "hungUp") message = opened.message;
          else if (opened.kind !== "open") return observeFailure(opened);
          continue;
        }
        const answer = await firstAnswer(endAtMs);
        if (answer === LATE) return silent(`no answer within ${deadlineMs} ms`);
        if (answer === "nobody") {
          links.forEach(drop);
          return { kind: "refused" };
        }
        if (!answer.closed) return observeAnswer(answer);
      }
      return silent(message);
    },
    async offset(deadlineMs) {
      const link = links.find(({ question }) => question === null) ?? links[0];
      if (!link) return null;
      const answer = await within(deadlineMs, link.connection.ask([["INFO", "replication"]]));
      if (answer === LATE || answer.closed) return null;
      const info = parseReplicationInfo(textOf(answer));
      return "unreadable" in info ? null : info.offset;
    },
    close() {
      isEnded = true;
      links.forEach(drop);
    },
  };
}

const CLOSED = Promise.resolve<Opening>({ kind: "silent", message: "this side has closed" });

function leastRecentlyAsked(links: readonly Link[]): Link | undefined {
  return links.toSorted((a, b) => a.askedAtMs - b.askedAtMs)[0];
}

function silent(message: string): RedisObservation {
  return { kind: "silent", message };
}

function observeFailure(failure: Failure): RedisObservation {
  switch (failure.kind) {
    case "nobody":
      return { kind: "refused" };
    case "silent":
    case "hungUp":
      return silent(failure.message);
    case "refused":
      return { kind: "busy", message: failure.message };
  }
}

/** Whatever Redis answers, it lives. */
function observeAnswer(answer: Extract<Answer, { readonly closed: false }>): RedisObservation {
  const [reply] = answer.replies;
  if (reply?.ok === false) return { kind: "busy", message: reply.message };
  const info = parseInfo(textOf(answer));
  if ("unreadable" in info) return { kind: "busy", message: info.unreadable };
  return { kind: "answered", info };
}

function textOf(answer: Extract<Answer, { readonly closed: false }>): string {
  const [reply] = answer.replies;
  return reply?.ok === true && typeof reply.value === "string" ? reply.value : "";
}
