/**
 * The shell around the decision core: keeps its state, feeds it events one after the other with
 * the time and one drawn number, performs its actions, and wakes it in time.
 *
 * Guarantees: never re-entrant (an event that comes while another is decided waits in a queue);
 * the list of actions of one decision is performed before the next event is looked at; one timer,
 * armed after each turn from the core's own deadline, so no hung request delays a step-down; if
 * the event loop was late, the core is told the time before anything else. A failure of the core
 * or of a fence ends the process: the guard's permit then stops Redis. Decides nothing.
 */
import type { HandoverQuestion, PromiseAnswer, PromiseRequest } from "@leasehold/election";
import {
  decide,
  initialState,
  nextWakeMs,
  reportOf,
  statusOf,
  type Decision,
  type MemberConfig,
  type MemberEvent,
  type MemberEventBody,
  type MemberReport,
  type MemberState,
  type MemberStatus,
  type StartFacts,
} from "@leasehold/replication";
import { DEADLINES_MS } from "./deadlines.ts";
import { FenceError, perform, type PerformContext } from "./perform.ts";
import type { RuntimeEnd, RuntimePorts } from "./runtime-ports.ts";

export interface Runtime {
  dispatch(event: MemberEventBody): void;
  /** Asks the core for a promise. Null: no answer in time. */
  promise(request: PromiseRequest): Promise<PromiseAnswer | null>;
  /** The attempt by which it accepts in advance. Null: it does not, or no answer in time. */
  acceptsHandover(question: HandoverQuestion): Promise<string | null>;
  report(): MemberReport;
  status(): MemberStatus;
  /** Milliseconds since the last turn ended: for the liveness probe. */
  idleMs(): number;
  /** No event is looked at any more. */
  stop(): void;
}

/** The functions of @leasehold/replication; tests put their own in. */
export interface Core {
  readonly initialState: typeof initialState;
  readonly decide: typeof decide;
  readonly nextWakeMs: typeof nextWakeMs;
  readonly reportOf: typeof reportOf;
  readonly statusOf: typeof statusOf;
}

export interface RuntimeParts {
  readonly start: StartFacts;
  readonly config: MemberConfig;
  readonly ports: RuntimePorts;
  readonly core?: Core;
}

const CORE: Core = { initialState, decide, nextWakeMs, reportOf, statusOf };
/** Far above what one turn can bring; more is a bug, and memory is worth more than the rest. */
const MAX_QUEUE = 10_000;
const MAX_WAITING = 64;
/** Lateness of the timer beyond which the time is told first (docs/protocol.md, section 2). */
const LAG_MS = 250;

export function createRuntime({ start, config, ports, core = CORE }: RuntimeParts): Runtime {
  const queue: MemberEventBody[] = [];
  const promises = createDesk<PromiseAnswer>();
  const handovers = createDesk<string>();
  const context: PerformContext = {
    ports,
    dispatch,
    answerPromise: (requestId, answer) => promises.answer(requestId, answer),
    answerHandover: (requestId, attempt) => handovers.answer(requestId, attempt),
    end,
  };
  let state: MemberState = core.initialState(start, config);
  let isTurning = false;
  let hasEnded = false;
  let timer: NodeJS.Timeout | undefined;
  let dueMs = Infinity;
  let turnedMs = start.at.monotonicMs;

  function dispatch(event: MemberEventBody): void {
    if (hasEnded) return;
    if (queue.length >= MAX_QUEUE) {
      end({ kind: "overflow", words: `${MAX_QUEUE} events wait: the decision loop is stuck` });
      return;
    }
    queue.push(event);
    if (isTurning) return;
    isTurning = true;
    try {
      turn();
    } finally {
      isTurning = false;
    }
  }

  function turn(): void {
    noticeLag();
    for (;;) {
      const event = queue.shift();
      if (!event) break;
      handle(event);
      if (hasEnded) return;
    }
    arm();
    ports.observer.turned(() => runtime.status());
  }

  function handle(body: MemberEventBody): void {
    const decision = decideOrEnd(body);
    if (!decision) return;
    state = decision.state;
    ports.log.debug({ event: body, actions: decision.actions }, body.type);
    for (const action of decision.actions) {
      if (hasEnded) return;
      ports.observer.acted(action);
      try {
        perform(action, context);
      } catch (error) {
        const kind = error instanceof FenceError ? "fenceFailed" : "coreFailed";
        end({ kind, words: `${action.type} (${action.reason}): ${String(error)}` });
      }
    }
    ports.observer.handled(body);
  }

  function decideOrEnd(body: MemberEventBody): Decision | null {
    const event = { ...body, at: ports.clock(), jitter: ports.draw() } as MemberEvent;
    try {
      return core.decide(state, event, config);
    } catch (error) {
      const stack = error instanceof Error ? error.stack : undefined;
      ports.log.fatal({ event, state, stack }, "the decision core failed");
      end({ kind: "coreFailed", words: String(error) });
      return null;
    }
  }

  function noticeLag(): void {
    const lagMs = ports.clock().monotonicMs - dueMs;
    if (lagMs > 0) ports.observer.lagged(lagMs);
    if (lagMs > LAG_MS && queue[0]?.type !== "tick") queue.unshift({ type: "tick" });
  }

  function arm(): void {
    const at = ports.clock();
    const waitMs = Math.max(0, core.nextWakeMs(state, at, config));
    turnedMs = at.monotonicMs;
    dueMs = at.monotonicMs + waitMs;
    clearTimeout(timer);
    // Rounded up: a tick that comes early finds nothing to do and only comes again.
    timer = setTimeout(() => dispatch({ type: "tick" }), Math.ceil(waitMs));
  }

  function end(how: RuntimeEnd): void {
    hasEnded = true;
    clearTimeout(timer);
    ports.end(how);
  }

  const runtime: Runtime = {
    dispatch,
    promise: (request) =>
      promises.ask((requestId) => dispatch({ type: "promiseAsked", requestId, request })),
    acceptsHandover: (question) =>
      handovers.ask((requestId) => dispatch({ type: "handoverAsked", requestId, question })),
    report: () => core.reportOf(state, ports.clock(), config),
    status: () => core.statusOf(state, ports.clock(), config),
    idleMs: () => ports.clock().monotonicMs - turnedMs,
    stop() {
      hasEnded = true;
      clearTimeout(timer);
    },
  };
  return runtime;
}

/** Members that wait for an answer of the core. Bounded in number and time. */
function createDesk<T>(): {
  ask(put: (requestId: number) => void): Promise<T | null>;
  answer(requestId: number, answer: T | null): void;
} {
  const waiting = new Map<number, (answer: T | null) => void>();
  let lastId = 0;
  const settle = (requestId: number, answer: T | null): void => {
    const resolve = waiting.get(requestId);
    waiting.delete(requestId);
    resolve?.(answer);
  };
  return {
    ask(put) {
      if (waiting.size >= MAX_WAITING) return Promise.resolve(null);
      lastId += 1;
      const requestId = lastId;
      return new Promise((resolve) => {
        const timer = setTimeout(() => settle(requestId, null), DEADLINES_MS.promiseAnswer);
        waiting.set(requestId, (answer) => {
          clearTimeout(timer);
          resolve(answer);
        });
        put(requestId);
      });
    },
    answer: settle,
  };
}
