/**
 * The load under which a fault is judged: writers through the write address, one observer for each
 * member that writes to it directly, and, where there is a read address, readers through that.
 *
 * Half of the writers, rounded up, ask for a replica's confirmation. All of them count for the
 * write gap, so that a slow confirmation is not taken for a closed door.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createFreshness, type Freshness } from "./freshness.ts";
import { createFailureLog, type Failure, type FailureKinds, type FailureLog } from "./failures.ts";
import type { Ledger, LedgerCheck, LedgerCounts, LedgerList } from "./ledger.ts";
import { startObserver } from "./observer.ts";
import { createReadTally, startReader, type ReadState, type ReadTally } from "./reader.ts";
import { connect, type Address, type Session } from "./session.ts";
import { watchStandstills } from "./standstills.ts";
import { undisturbedGapMs } from "./undisturbed-gap.ts";
import { mostWritableAtOnce, type Probe, type WritableFinding } from "./writable.ts";
import { createGapMeter, type GapMeter, type WriteGap } from "./write-gap.ts";
import { startWriter, type WriterOptions } from "./writer.ts";

export interface WorkloadOptions {
  /** Keeps this run's keys apart from those of others. */
  readonly name: string;
  /** The write address. */
  readonly address: Address;
  /** Where writers turn when `address` takes no write, and back. Default: nowhere else. */
  readonly otherAddress?: Address | undefined;
  /** Writers keep a connection on which a write was refused. Default: no. */
  readonly areStubborn?: boolean;
  /** Each member's own Redis address. */
  readonly members: ReadonlyMap<string, Address>;
  readonly password?: string | undefined;
  readonly writers?: number;
  /** Pause of a writer between two writes. */
  readonly writerPaceMs?: number;
  readonly observerPaceMs?: number;
  /** The read address. Without it nobody reads. */
  readonly readAddress?: Address | undefined;
  /** Each reads what one writer wrote: at most as many as writers. */
  readonly readers?: number;
  readonly readerPaceMs?: number;
  /** Bound of each command of a client, and of a connect unless that has its own. */
  readonly deadlineMs?: number;
  /**
   * Bound of the first writer's connect; the last one's is twice as long. A connect to a lost node
   * takes all of it, so what it lasts counts as the group's gap unless it is short, and writers
   * that fail together would try again together.
   */
  readonly connectDeadlineMs?: number;
  /** Writers that write in another way. They cannot be handed to a thread. Default: our own. */
  readonly startWriter?: (options: WriterOptions) => Session;
}

export interface WorkloadState extends LedgerCounts {
  /** Of those since the fault began. */
  readonly failed: number;
  readonly gap: WriteGap;
  /**
   * Longest gap if that for which the clients' own thread stood still in it does not count: then
   * they could not have been answered, whatever the group did.
   */
  readonly undisturbedGapMs: number;
  /** All gaps worth a look since the fault began. */
  readonly gaps: readonly WriteGap[];
  /** Milliseconds since the newest acknowledged write. */
  readonly sinceLastAckMs: number;
  /** Longest time for which the clients' own thread stood still since the gap is measured. */
  readonly standstillMs: number;
  /** The first few, also from before the fault. */
  readonly failures: readonly Failure[];
  /** Of all that `failed` counts. */
  readonly failureKinds: FailureKinds;
  /** Absent: nobody reads. */
  readonly reads?: Reads;
}

export interface Reads extends ReadState {
  /** The first of its errors. */
  readonly failures: readonly Failure[];
}

export interface Workload {
  /** Resolves true once writes flow, false if they do not within `deadlineMs`. */
  flowing(deadlineMs: number): Promise<boolean>;
  /** The fault begins: the write gap is measured, and failures are dated, from now on. */
  restartGap(): void;
  state(): WorkloadState;
  /** Most members writable at one instant so far; null: none accepted a write. */
  writable(): WritableFinding | null;
  /** Ends all clients. The state stays as it is then. */
  stop(): Promise<void>;
}

const DEFAULTS = {
  writers: 5,
  writerPaceMs: 4,
  observerPaceMs: 15,
  readers: 0,
  readerPaceMs: 20,
  deadlineMs: 1000,
};
/** An observer must not wait long at a member that hangs. */
const OBSERVER_DEADLINE_MS = 300;

export function startWorkload(input: WorkloadOptions, ledger: Ledger): Workload {
  const options = { ...DEFAULTS, ...input };
  const before = ledger.counts();
  const meter = createGapMeter(performance.now());
  const failures = createFailureLog(() => performance.now());
  const tally = createReadTally(options.readers, performance.now());
  const readFailures = createFailureLog(() => performance.now());
  const lists = Array.from({ length: options.writers }, (_, index) => ({
    list: ledger.open(`${options.name}-writer-${index}`),
    freshness: createFreshness(),
  }));
  const probes = new Map<string, Probe[]>();
  const sessions = [
    ...startWriters(options, lists, { meter, failures }),
    ...startReaders(options, lists, { tally, failures: readFailures }),
    ...startObservers(options, probes),
  ];
  const standstills = watchStandstills();
  let endedAtMs: number | null = null;
  let failedBeforeFault = 0;
  const nowMs = () => endedAtMs ?? performance.now();
  const counts = () => difference(ledger.counts(), before);
  return {
    async flowing(deadlineMs) {
      const untilMs = performance.now() + deadlineMs;
      const enough = counts().acknowledged + options.writers;
      while (performance.now() < untilMs) {
        if (counts().acknowledged > enough) return true;
        await sleep(5);
      }
      return false;
    },
    restartGap() {
      meter.restart(performance.now());
      failures.restart();
      failedBeforeFault = counts().failed;
      tally.restart(performance.now());
      readFailures.restart();
      standstills.restart();
    },
    state: () => ({
      ...counts(),
      failed: counts().failed - failedBeforeFault,
      gap: meter.longest(nowMs()),
      gaps: meter.long(),
      sinceLastAckMs: nowMs() - meter.lastAckMs(),
      undisturbedGapMs: undisturbedGapMs(meter, standstills, nowMs()),
      standstillMs: standstills.longestMs(),
      failures: failures.first(),
      failureKinds: failures.kinds(),
      ...(options.readAddress && {
        reads: { ...tally.state(nowMs()), failures: readFailures.first() },
      }),
    }),
    writable: () => mostWritableAtOnce(probes),
    async stop() {
      endedAtMs ??= performance.now();
      standstills.stop();
      await Promise.all(sessions.map((session) => session.stop()));
    },
  };
}

type Settled = WorkloadOptions & typeof DEFAULTS;

/** What one writer writes, and how much of it is acknowledged. */
interface WrittenList {
  readonly list: LedgerList;
  readonly freshness: Freshness;
}

function startWriters(
  options: Settled,
  lists: readonly WrittenList[],
  { meter, failures }: { readonly meter: GapMeter; readonly failures: FailureLog },
): Session[] {
  const start = options.startWriter ?? startWriter;
  return lists.map(({ list, freshness }, index) =>
    start({
      address: options.address,
      otherAddress: options.otherAddress,
      isStubborn: options.areStubborn,
      password: options.password,
      paceMs: options.writerPaceMs,
      deadlineMs: options.deadlineMs,
      connectDeadlineMs:
        options.connectDeadlineMs && options.connectDeadlineMs * (1 + index / options.writers),
      list,
      replicas: index % 2 === 0 && options.members.size > 1 ? 1 : 0,
      acknowledged(atMs, length) {
        meter.acknowledged(atMs);
        freshness.acknowledged(length, atMs);
      },
      failed: (why) => failures.add(`${options.name}-writer-${index}`, why),
    }),
  );
}

function startReaders(
  options: Settled,
  lists: readonly WrittenList[],
  { tally, failures }: { readonly tally: ReadTally; readonly failures: FailureLog },
): Session[] {
  const { readAddress } = options;
  if (readAddress === undefined) return [];
  return lists.slice(0, options.readers).map(({ list, freshness }, index) =>
    startReader({
      address: readAddress,
      password: options.password,
      paceMs: options.readerPaceMs,
      deadlineMs: options.deadlineMs,
      index,
      key: list.key,
      freshness,
      tally,
      failed: (why) => failures.add(`${options.name}-reader-${index}`, why),
    }),
  );
}

function startObservers(options: Settled, probes: Map<string, Probe[]>): Session[] {
  return [...options.members].map(([member, address]) => {
    const seen: Probe[] = [];
    probes.set(member, seen);
    return startObserver({
      address,
      password: options.password,
      paceMs: options.observerPaceMs,
      deadlineMs: OBSERVER_DEADLINE_MS,
      key: `leasehold:observer:${member}`,
      observed: (probe) => seen.push(probe),
    });
  });
}

function difference(now: LedgerCounts, before: LedgerCounts): LedgerCounts {
  return {
    acknowledged: now.acknowledged - before.acknowledged,
    confirmed: now.confirmed - before.confirmed,
    failed: now.failed - before.failed,
  };
}

export interface LedgerTarget {
  readonly address: Address;
  readonly password?: string | undefined;
}

/** Tokens per LRANGE: a few hundred kilobytes. */
const CHUNK = 20_000;

/**
 * Compares the ledger with what the primary behind `address` holds.
 *
 * Throws if it cannot be read: then nothing is known about losses, and nobody may say "0 lost".
 */
export async function checkLedger(ledger: Ledger, target: LedgerTarget): Promise<LedgerCheck> {
  const deadlineMs = 5000;
  const redis = await connect({ ...target, deadlineMs }).catch((error: unknown) => {
    const where = `${target.address.host}:${target.address.port}`;
    throw new Error(`no connection to ${where} to compare the ledger with`, { cause: error });
  });
  try {
    return await ledger.check(async (key) => {
      const tokens: string[] = [];
      const length = await redis.llen(key);
      for (let start = 0; start < length; start += CHUNK) {
        for (const token of await redis.lrange(key, start, start + CHUNK - 1)) tokens.push(token);
      }
      return tokens;
    });
  } finally {
    redis.disconnect();
  }
}
