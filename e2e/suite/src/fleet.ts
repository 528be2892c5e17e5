/**
 * Writers and readers in a pod on each node, as one load: a gap is that of the worst node,
 * everything else is added up.
 *
 * Guarantees: an agent that died with its node counts for nothing, and is told; with fewer than
 * two that answer nothing is known, and every call fails. Calls travel through the API server, so
 * none can be made while that is away.
 */
import type {
  Failure,
  LedgerCheck,
  LedgerTarget,
  Load,
  Reads,
  WorkloadState,
} from "@leasehold/testkit/workload";
import type { ActStage } from "@leasehold/testkit/acts";
import type { Cluster } from "@leasehold/cluster";
import {
  AGENT_PORT,
  type AgentAnswer,
  type AgentCall,
  type AgentResult,
  type StartArguments,
} from "./agent-call.ts";

const CALL_TIMEOUT_MS = 30_000;
const FEWEST = 2;

export interface Fleet {
  /** `workloads` in the order of the pods. */
  start(workloads: readonly StartArguments[]): Promise<void>;
  check(target: LedgerTarget): Promise<LedgerCheck>;
  readonly load: ActStage["load"];
}

export function createFleet(cluster: Cluster, namespace: string, pods: readonly string[]): Fleet {
  /** Those that have known the load since its start. */
  let alive = pods;

  async function call<K extends keyof Load>(
    pod: string,
    request: Extract<AgentCall, { readonly method: K }>,
  ): Promise<AgentResult<K>> {
    const path = `/api/v1/namespaces/${namespace}/pods/${pod}:${AGENT_PORT}/proxy/call`;
    const text = await cluster.kubectl(["create", "--raw", path, "-f", "-"], {
      input: JSON.stringify(request),
      timeoutMs: CALL_TIMEOUT_MS,
    });
    const answer = JSON.parse(text) as AgentAnswer;
    if ("error" in answer) throw new Error(`${pod}, ${request.method}: ${answer.error}`);
    return answer.value as AgentResult<K>;
  }

  async function all<K extends keyof Load>(
    request: Extract<AgentCall, { readonly method: K }>,
  ): Promise<readonly AgentResult<K>[]> {
    const asked = alive;
    const answers = await Promise.allSettled(asked.map((pod) => call<K>(pod, request)));
    alive = asked.filter((_, index) => answers[index]?.status === "fulfilled");
    const values = answers.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    if (values.length >= Math.min(FEWEST, pods.length)) return values;
    const failed = answers.find((one) => one.status === "rejected");
    throw new Error(`too few agents answer: ${String(failed?.reason)}`);
  }

  return {
    async start(workloads) {
      alive = pods;
      await Promise.all(
        pods.map((pod, index) => {
          const workload = workloads[index];
          if (workload === undefined) throw new Error(`no workload for ${pod}`);
          return call<"start">(pod, { method: "start", args: [workload] });
        }),
      );
    },
    check: async (target) => addChecks(await all<"check">({ method: "check", args: [target] })),
    load: {
      flowing: async (deadlineMs) =>
        (await all<"flowing">({ method: "flowing", args: [deadlineMs] })).every(Boolean),
      restartGap: async () => void (await all<"restartGap">({ method: "restartGap", args: [] })),
      state: async () => addStates(await all<"state">({ method: "state", args: [] })),
      async writable() {
        const found = await all<"writable">({ method: "writable", args: [] });
        const most = (one: (typeof found)[number]): number => one?.members.length ?? 0;
        return found.toSorted((a, b) => most(b) - most(a))[0] ?? null;
      },
      stop: async () => void (await all<"stop">({ method: "stop", args: [] })),
    },
  };
}

export function addStates(states: readonly WorkloadState[]): WorkloadState {
  const sum = (pick: (state: WorkloadState) => number): number =>
    states.reduce((total, state) => total + pick(state), 0);
  const worst = states.toSorted((a, b) => b.gap.lengthMs - a.gap.lengthMs)[0];
  if (worst === undefined) throw new Error("there is no state to add up");
  return {
    acknowledged: sum((state) => state.acknowledged),
    confirmed: sum((state) => state.confirmed),
    failed: sum((state) => state.failed),
    gap: worst.gap,
    sinceLastAckMs: Math.max(...states.map((state) => state.sinceLastAckMs)),
    standstillMs: Math.max(...states.map((state) => state.standstillMs)),
    failures: firstOf(states),
    ...addReads(states.flatMap(({ reads }) => (reads === undefined ? [] : [reads]))),
  };
}

function addReads(all: readonly Reads[]): { readonly reads?: Reads } {
  if (all.length === 0) return {};
  const sum = (pick: (reads: Reads) => number): number =>
    all.reduce((total, reads) => total + pick(reads), 0);
  return {
    reads: {
      answered: sum((reads) => reads.answered),
      errors: sum((reads) => reads.errors),
      repeated: sum((reads) => reads.repeated),
      gapMs: Math.max(...all.map((reads) => reads.gapMs)),
      oldestMs: Math.max(...all.map((reads) => reads.oldestMs)),
      failures: firstOf(all),
    },
  };
}

function firstOf(all: readonly { readonly failures: readonly Failure[] }[]): readonly Failure[] {
  return all
    .flatMap(({ failures }) => failures)
    .toSorted((a, b) => a.sinceFaultMs - b.sinceFaultMs);
}

export function addChecks(checks: readonly LedgerCheck[]): LedgerCheck {
  const sum = (pick: (check: LedgerCheck) => number): number =>
    checks.reduce((total, check) => total + pick(check), 0);
  return {
    lostConfirmed: sum((check) => check.lostConfirmed),
    lostAcknowledged: sum((check) => check.lostAcknowledged),
    presentThoughRefused: sum((check) => check.presentThoughRefused),
    examples: checks.flatMap((check) => check.examples),
  };
}
