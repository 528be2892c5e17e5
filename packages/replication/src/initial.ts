/** The state of a process that has bound the members' port and seen nothing else. */
import { formatIdentity, initialElection } from "@leasehold/election";
import type { MemberConfig, StartFacts } from "./config.ts";
import type { MemberState, RedisState } from "./state.ts";

export function initialState(start: StartFacts, _config: MemberConfig): MemberState {
  const { member, podUid, nonce, record } = start;
  const me = formatIdentity({ pod: member, podUid, nonce });
  const epoch = record?.epoch ?? 0;
  return {
    start,
    election: initialElection({ me, podUid, nonce, epoch, holder: record?.holder ?? null }),
    redis: initialRedis(start),
    permit: start.permit,
    guard: start.guard,
    record: { saved: record, savedAt: null, pending: null, failedAt: null },
    lineage: record?.lineage ?? [],
    pods: null,
    podCheck: null,
    slice: { seen: null, pending: null, retryAt: null },
    control: null,
    pauseSeen: null,
    endedPause: null,
    handledRequest: null,
    deferred: [],
    peers: {},
    poll: { round: 0, startedAt: null, doneAt: null, freshFrom: null },
    lead: null,
    handoff: null,
    acquiring: null,
    holdBack: null,
    promotedEpoch: usedEpoch(start),
    follow: { upstream: null, at: null, bounced: false },
    missed: [],
    synced: null,
    cutover: null,
    stop: null,
    cutter: null,
    refusals: null,
    jitter: 0,
    offeredAfterDeath: null,
    hangKills: [],
    nextId: 1,
    trouble: null,
    failsafe: { askedAt: null, notBefore: null, active: false, lineageEpoch: 0 },
    pendingPromises: [],
    broken: [],
  };
}

/** A predecessor may have promoted under any epoch that it had reserved, unless it ended tidily. */
function usedEpoch({ record, permit }: StartFacts): number {
  if (record === null) return 0;
  const tidy = record.clean || permit?.kind === "follow";
  return tidy ? record.epoch : Math.max(record.epoch, record.reservedEpoch);
}

function initialRedis(start: StartFacts): RedisState {
  return {
    info: null,
    infoAt: null,
    process: null,
    silentSince: null,
    busySince: null,
    seen: false,
    guardBootId: start.guard?.bootId ?? null,
    dead: false,
    killed: null,
    data: null,
    unsavedSync: start.record?.syncing ?? false,
    outlivedSince: null,
    coldStart: true,
    role: { known: "unknown", unsettledSince: null, pending: [], demoteAt: null, doneAt: null },
    peak: start.record?.position ?? null,
    samples: [],
  };
}
