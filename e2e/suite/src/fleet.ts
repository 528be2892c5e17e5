/**
 * Writers and readers in a pod on each node, as one load: a gap is that of the worst node,
 * everything else is added up.
 *
 * Guarantees: an agent that died with its node counts for nothing, and is told; with fewer than
 * two that answer, where there are two, nothing is known, and every call fails.
 */
import type {
  Failure,
  FailureKinds,
  LedgerCheck,
  LedgerTarget,
  Load,
  Reads,
  WorkloadState,
} from "@leasehold/testkit/workload";
import type { ActStage } from "@leasehold/testkit/acts";
import type { AgentCall, AgentResult, AgentState, StartArguments } from "./agent-call.ts";
import type { Agent } from "./agents.ts";

const FEWEST = 2;

export interface Fleet {
  /** `workloads` in the order of the agents. */
  start(workloads: readonly StartArguments[]): Promise<void>;
  check(target: LedgerTarget): Promise<LedgerCheck>;
  /** Of each agent that answers. */
  states(): Promise<readonly NodeState[]>;
  readonly load: ActStage["load"];
}

export interface NodeState {
  readonly node: string;
  readonly state: AgentState;
}

export function createFleet(agents: readonly Agent[]): Fleet {
  /** Those that have known the load since its start. */
  let alive = agents;

  async function call<K extends keyof Load>(
    agent: Agent,
    request: Extract<AgentCall, { readonly method: K }>,
  ): Promise<AgentResult<K>> {
    const answer = await agent.call(request);
    if ("error" in answer) throw new Error(`${agent.name}, ${request.method}: ${answer.error}`);
    return answer.value as AgentResult<K>;
  }

  async function each<K extends keyof Load>(
    request: Extract<AgentCall, { readonly method: K }>,
  ): Promise<readonly (readonly [Agent, AgentResult<K>])[]> {
    const asked = alive;
    const answers = await Promise.allSettled(
      asked.map(async (agent) => [agent, await call<K>(agent, request)] as const),
    );
    const values = answers.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    alive = values.map(([agent]) => agent);
    if (values.length >= Math.min(FEWEST, agents.length)) return values;
    const failed = answers.find((one) => one.status === "rejected");
    throw new Error(`too few agents answer: ${String(failed?.reason)}`);
  }

  const all = async <K extends keyof Load>(
    request: Extract<AgentCall, { readonly method: K }>,
  ): Promise<readonly AgentResult<K>[]> => (await each<K>(request)).map(([, value]) => value);

  const states = async (): Promise<readonly NodeState[]> =>
    (await each<"state">({ method: "state", args: [] })).map(([{ node }, state]) => ({
      node,
      state,
    }));

  return {
    async start(workloads) {
      alive = agents;
      await Promise.all(
        agents.map((agent, index) => {
          const workload = workloads[index];
          if (workload === undefined) throw new Error(`no workload for ${agent.name}`);
          return call<"start">(agent, { method: "start", args: [workload] });
        }),
      );
    },
    check: async (target) => addChecks(await all<"check">({ method: "check", args: [target] })),
    states,
    load: {
      flowing: async (deadlineMs) =>
        (await all<"flowing">({ method: "flowing", args: [deadlineMs] })).every(Boolean),
      restartGap: async () => void (await all<"restartGap">({ method: "restartGap", args: [] })),
      state: async () => addStates((await states()).map(({ state }) => state)),
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
    undisturbedGapMs: Math.max(...states.map((state) => state.undisturbedGapMs)),
    // Of several clocks.
    gaps: [],
    sinceLastAckMs: Math.max(...states.map((state) => state.sinceLastAckMs)),
    standstillMs: Math.max(...states.map((state) => state.standstillMs)),
    failures: firstOf(states),
    failureKinds: addKinds(states.map(({ failureKinds }) => failureKinds)),
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

function addKinds(all: readonly FailureKinds[]): FailureKinds {
  const sum: Record<string, number> = {};
  for (const [kind, count] of all.flatMap((kinds) => Object.entries(kinds))) {
    sum[kind] = (sum[kind] ?? 0) + count;
  }
  return sum;
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
