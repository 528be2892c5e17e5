/**
 * A primary outside the group: where it stands, and an end to its writes.
 *
 * It is closed by `min-replicas-to-write`, which no primary can meet: clients are refused at once
 * with NOREPLICAS, the stream goes on, and nothing is held that would be written later. What it was
 * before stays in the numbers, so that whoever opens it again needs no memory. Guarantees: each
 * call has a connection of its own, ends within its deadline and never rejects, and what a cut held
 * up by then is not sent any more; the answer of a closed source was read after it was closed. Its
 * restart opens it again. Scripts and queued transactions of Redis 6 and older write on: such
 * writers have to be stopped.
 */
import { parseReplicationInfo, type SourceOutcome } from "@leasehold/replication";
import { openConnection, type Command, type Connection, type Reply } from "./connection.ts";
import { LATE, within } from "./deadline.ts";
import type { RedisServerOptions } from "./options.ts";

export interface RedisSource {
  /** With `closes` it takes no write any more from before it says where it stands. */
  stand(closes: boolean, deadlineMs: number): Promise<SourceOutcome>;
  /** Null: it takes writes again, or was not closed; else why not, in words. */
  reopen(deadlineMs: number): Promise<string | null>;
}

const NAME = "leasehold-source";
const REPLICAS = "min-replicas-to-write";
const LAG = "min-replicas-max-lag";
/** No primary has so many replicas. */
const CLOSED = 1_000_000;
/** In the place of a lag of 0, with which there is no minimum at all. */
const LAG_CLOSED = 1_000_000;

/** What the source answered instead, in words for people; never leaves this file. */
class SourceError extends Error {}

export function createRedisSource(options: RedisServerOptions): RedisSource {
  async function ask<T>(deadlineMs: number, work: (ask: Ask) => Promise<T>): Promise<T> {
    const endAtMs = performance.now() + deadlineMs;
    const opened = await openConnection(options, { name: NAME, deadlineMs, onClosed: () => {} });
    if (opened.kind !== "open") throw new SourceError(`the source: ${opened.message}`);
    const { connection } = opened;
    try {
      const done = await within(endAtMs - performance.now(), work(askerOf(connection)));
      if (done !== LATE) return done;
      // Closed in order, it would still send what a cut holds up: a closing, after its opening.
      connection.abort();
      throw new SourceError(`the source did not answer in ${deadlineMs} ms`);
    } finally {
      connection.close();
    }
  }

  return {
    async stand(closes, deadlineMs) {
      const work = (run: Ask) => (closes ? closeAndStand(run) : standing(run));
      return ask<SourceOutcome>(deadlineMs, work).catch((error: unknown) => {
        return { kind: "failed", words: wordsOf(error) };
      });
    },
    async reopen(deadlineMs) {
      return ask<string | null>(deadlineMs, openAgain).catch(wordsOf);
    },
  };
}

type Ask = (command: Command) => Promise<unknown>;

function askerOf(connection: Connection): Ask {
  return async (command) => {
    const answer = await connection.ask([command]);
    if (answer.closed) throw new SourceError(`the source: ${answer.message}`);
    const [reply] = answer.replies as readonly [Reply];
    if (reply.ok) return reply.value;
    throw new SourceError(`the source refuses ${command.slice(0, 3).join(" ")}: ${reply.message}`);
  };
}

async function standing(ask: Ask): Promise<SourceOutcome> {
  const info = parseReplicationInfo(String(await ask(["INFO", "replication"])));
  if ("unreadable" in info) throw new SourceError(`the source: ${info.unreadable}`);
  if (info.role !== "primary") {
    throw new SourceError("the source is a replica itself: name its primary");
  }
  return { kind: "stands", replid: info.replid, offset: info.offset };
}

async function closeAndStand(ask: Ask): Promise<SourceOutcome> {
  await standing(ask);
  if ((await settingOf(ask, LAG)) === 0) await ask(["CONFIG", "SET", LAG, String(LAG_CLOSED)]);
  const before = await settingOf(ask, REPLICAS);
  if (before < CLOSED) await ask(["CONFIG", "SET", REPLICAS, String(before + CLOSED)]);
  // Commands are executed one by one: what was accepted was accepted before this answer.
  return standing(ask);
}

async function openAgain(ask: Ask): Promise<null> {
  const now = await settingOf(ask, REPLICAS);
  if (now >= CLOSED) await ask(["CONFIG", "SET", REPLICAS, String(now - CLOSED)]);
  if ((await settingOf(ask, LAG)) === LAG_CLOSED) await ask(["CONFIG", "SET", LAG, "0"]);
  return null;
}

async function settingOf(ask: Ask, name: string): Promise<number> {
  const [, value] = (await ask(["CONFIG", "GET", name])) as readonly string[];
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new SourceError(`the source has no ${name}: stop its writers, and say so`);
}

function wordsOf(error: unknown): string {
  if (error instanceof SourceError) return error.message;
  throw error;
}
