/**
 * What goes wrong between a client and the fake API server, switched on and off by tests.
 *
 * A fault applies to the requests of its scope from `inject` until the returned function is
 * called or its `times` are used up. Several faults add up. Guarantees: a delayed request is
 * carried out even when its client has gone away (a "zombie"); a watch that is held back loses
 * nothing, it delivers late and in order, as a network does.
 */
import type { Access, Verb } from "./authorization.ts";

export type Fault =
  /** Arrives late, then is carried out, whether or not the client still waits. */
  | { readonly kind: "delayRequest"; readonly ms: number }
  /** Is carried out at once and answered late. */
  | { readonly kind: "delayAnswer"; readonly ms: number }
  /** Never carried out and never answered: the client waits. */
  | { readonly kind: "loseRequest" }
  /** Carried out and never answered. */
  | { readonly kind: "loseAnswer" }
  /** The connection is closed before the request is carried out. */
  | { readonly kind: "cutRequest" }
  /** Carried out, then the connection is closed without an answer. */
  | { readonly kind: "cutAnswer" }
  /**
   * Answered with this code and not carried out: 401, 403, 410, 429, 5xx. As a Status of the API
   * server, or with `text` as a proxy on the way would answer.
   */
  | ({ readonly kind: "refuse" } & Refusal)
  /** Open and new watches stay open and say nothing. */
  | { readonly kind: "holdWatches" }
  /** Each watch event comes this much later. */
  | { readonly kind: "delayWatches"; readonly ms: number };

export interface Refusal {
  readonly code: number;
  readonly retryAfterSeconds?: number;
  readonly text?: string;
}

/** Everything that is given must match; nothing given: every request. */
export interface FaultScope {
  readonly identity?: string;
  readonly verbs?: readonly Verb[];
  /** Plural, `leases`. */
  readonly resource?: string;
  readonly name?: string;
  /** Ends by itself after that many requests. */
  readonly times?: number;
}

export interface Faults {
  /** Returns the function that ends it. */
  inject(fault: Fault, scope?: FaultScope): () => void;
  /** Requests are lost and watches held, for one identity or for all: a cable is pulled. */
  outage(identity?: string): () => void;
  /** Closes the open connections of one identity, or all, once. */
  closeConnections(identity?: string): void;
  /** Ends all open watches with an in-stream 410 and forgets old versions. */
  expireWatches(): void;
  /** Ends all that is injected. */
  clear(): void;
}

/** What happens to one request. */
export interface FaultPlan {
  readonly requestDelayMs: number;
  readonly answerDelayMs: number;
  readonly request: "deliver" | "lose" | "cut";
  readonly answer: "deliver" | "lose" | "cut";
  readonly refusal: Refusal | null;
}

export interface WatchPlan {
  readonly held: boolean;
  readonly delayMs: number;
}

interface Injected {
  readonly fault: Fault;
  readonly scope: FaultScope;
  left: number;
}

/** A request as far as scopes look at it; `access` is null for `/version` and its like. */
export interface FaultSubject {
  readonly identity: string;
  readonly access: Access | null;
}

export interface FaultBoard {
  readonly inject: Faults["inject"];
  readonly clear: Faults["clear"];
  /** Uses up one of the `times` of every fault that it applies. */
  planRequest(subject: FaultSubject): FaultPlan;
  planWatch(subject: FaultSubject): WatchPlan;
  /** Told whenever a fault begins or ends. */
  onChange(listener: () => void): () => void;
}

export function createFaultBoard(): FaultBoard {
  const injected = new Set<Injected>();
  const listeners = new Set<() => void>();
  const changed = (): void => {
    for (const listener of listeners) listener();
  };

  return {
    inject(fault, scope = {}) {
      const entry = { fault, scope, left: scope.times ?? Number.POSITIVE_INFINITY };
      injected.add(entry);
      changed();
      return () => {
        if (injected.delete(entry)) changed();
      };
    },
    clear() {
      injected.clear();
      changed();
    },
    planRequest(subject) {
      const applied: Fault[] = [];
      for (const entry of injected) {
        if (isWatchFault(entry.fault) || !covers(entry.scope, subject)) continue;
        applied.push(entry.fault);
        entry.left -= 1;
        if (entry.left <= 0) injected.delete(entry);
      }
      return planOf(applied);
    },
    planWatch(subject) {
      const faults = [...injected].filter((entry) => covers(entry.scope, subject));
      return {
        held: faults.some(({ fault }) => fault.kind === "holdWatches"),
        delayMs: sum(faults.map(({ fault }) => (fault.kind === "delayWatches" ? fault.ms : 0))),
      };
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function planOf(faults: readonly Fault[]): FaultPlan {
  const has = (kind: Fault["kind"]): boolean => faults.some((fault) => fault.kind === kind);
  const refusal = faults.find((fault) => fault.kind === "refuse");
  return {
    requestDelayMs: sum(faults.map((f) => (f.kind === "delayRequest" ? f.ms : 0))),
    answerDelayMs: sum(faults.map((f) => (f.kind === "delayAnswer" ? f.ms : 0))),
    request: has("loseRequest") ? "lose" : has("cutRequest") ? "cut" : "deliver",
    answer: has("loseAnswer") ? "lose" : has("cutAnswer") ? "cut" : "deliver",
    refusal: refusal ?? null,
  };
}

function covers(scope: FaultScope, { identity, access }: FaultSubject): boolean {
  return (
    (scope.identity === undefined || scope.identity === identity) &&
    (scope.verbs === undefined || (access !== null && scope.verbs.includes(access.verb))) &&
    (scope.resource === undefined || scope.resource === access?.resource.plural) &&
    (scope.name === undefined || scope.name === access?.name)
  );
}

function isWatchFault(fault: Fault): boolean {
  return fault.kind === "holdWatches" || fault.kind === "delayWatches";
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
