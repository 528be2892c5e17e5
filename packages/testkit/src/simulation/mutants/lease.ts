/** Epochs and the Lease: who may lead, and until when (docs/protocol.md, sections 1 and 2). */
import { SIMULATION, type Mutant } from "./mutant.ts";

const OBSERVE = "election/src/observe.ts";
const WRITE = "election/src/write.ts";
const CLAIM = "election/src/claim.ts";
const LEAD = "replication/src/plan-lead.ts";
const WON = "replication/src/plan-won.ts";
const DRAFTS = "replication/src/drafts.ts";

export const LEASE: readonly Mutant[] = [
  {
    name: "validity dated from the answer",
    rule: "2, N1",
    profile: "late-answers",
    isQuick: true,
    edits: [
      {
        file: OBSERVE,
        find: "  return observeCommit({ ...state, answeredAt: at }, own, { lease: outcome.lease, at });",
        replace: `  const late = { ...own, sentAt: at };
  const tries = state.tries.map((one) => (one === own ? late : one));
  return observeCommit({ ...state, tries, answeredAt: at }, late, { lease: outcome.lease, at });`,
      },
    ],
  },
  {
    name: "own record on a re-read dated from the newest send",
    rule: "2, U2",
    profile: "api",
    edits: [
      {
        file: OBSERVE,
        find: "const unchanged = before === versionOf(state.view);",
        replace: `const unchanged = before === versionOf(state.view);
          const from = state.lastTryAt ?? at;
          const confirmed = { from, durationMs: record.durationMs };
          if (record.epoch > 0) return { ...state, term: { ...state.term, confirmed } };`,
      },
      {
        file: OBSERVE,
        find: "return confirm(rest, own);",
        replace: "return confirm(rest, { ...own, sentAt: state.lastTryAt ?? own.sentAt });",
      },
    ],
  },
  {
    name: "no uid in the PUT",
    rule: "2, U3",
    profile: "late-transfers",
    edits: [
      {
        file: `${SIMULATION}pod/perform.ts`,
        find: "return world.store.putLease({ uid, resourceVersion, record });",
        replace: "return world.store.putLease({ uid: uid && null, resourceVersion, record });",
      },
    ],
  },
  {
    name: "equal bodies: every try of a term carries the same attempt",
    rule: "2, U2",
    profile: "api",
    edits: [
      {
        file: WRITE,
        find: "  const attempt = `${state.nonce}.${counter}`;",
        replace:
          "  const attempt = `${state.nonce}.${state.term === null ? counter : state.term.firstCounter}`;",
      },
    ],
  },
  {
    name: "waits shorter than the holder's right",
    rule: "2, N10",
    profile: "one-at-a-time",
    edits: [
      {
        file: "election/src/timing.ts",
        find: "  return 1.02 * durationMs;",
        replace: "  return 0.75 * durationMs;",
      },
    ],
  },
  {
    name: "the leader's clock stands still during suspend",
    rule: "2, S4",
    profile: "freezes",
    edits: [
      {
        file: "election/src/instant.ts",
        find: "  return Math.max(to.monotonicMs - from.monotonicMs, to.bootMs - from.bootMs);",
        replace: "  return to.monotonicMs - from.monotonicMs;",
      },
    ],
  },
  {
    name: "a foreign holder does not end the term",
    rule: "2, N3",
    profile: "operators",
    edits: [
      {
        file: OBSERVE,
        find: "  if (leadsAfterPredecessor(state, record)) return state;\n  return endTerm(state);",
        replace: "  if (leadsAfterPredecessor(state, record)) return state;\n  return state;",
      },
    ],
  },
  {
    name: "a stranger's record that names me is renewed at once",
    rule: "2, U17",
    profile: "restored-leases",
    edits: [
      {
        file: CLAIM,
        find: '  return after(record.holder === state.me ? "stranger" : "expired", wait, sinceMs);',
        replace: `  if (record.holder === state.me) return now("stranger");
  return after("expired", wait, sinceMs);`,
      },
    ],
  },
  {
    name: "a missing Lease is POSTed at once",
    rule: "2, U9",
    profile: "lease-deletes",
    edits: [
      {
        file: CLAIM,
        find: '    if (facts.firstInstall) return now("missing");',
        replace: '    return now("missing");',
      },
    ],
  },
  {
    name: "a shorter D is trusted before it is known to be in force",
    rule: "2, U16",
    profile: "reconfigures",
    edits: [
      {
        file: WRITE,
        find: "  if (one.durationMs >= longest) return term;",
        replace: "  if (one.durationMs >= 0 || longest > 0) return term;",
      },
    ],
  },
  {
    name: "epoch not raised on resume",
    rule: "1, U20",
    profile: "api",
    edits: [
      {
        file: DRAFTS,
        find: "if (term.epoch > promotedEpoch) return false;",
        replace: "if (term.epoch >= promotedEpoch) return false;",
      },
      {
        file: LEAD,
        find: "if (term.epoch <= promotedEpoch || stop !== null) return;",
        replace: "if (term.epoch < promotedEpoch || stop !== null) return;",
      },
      {
        file: WON,
        find: "if (lead.epoch <= turn.state.promotedEpoch) return giveUpLate(turn, lead);",
        replace: "if (lead.epoch < turn.state.promotedEpoch) return giveUpLate(turn, lead);",
      },
    ],
  },
  {
    name: "a guard whose clock is behind is trusted",
    rule: "2, second review 12",
    profile: "skewed-guards",
    edits: [
      {
        file: "replication/src/members.ts",
        find: "export const MAX_SKEW_MS = 500;",
        replace: "export const MAX_SKEW_MS = 500_000;",
      },
    ],
  },
  {
    name: "takes whatever the watch brings for the Lease",
    rule: "2.9, ADR 0013",
    profile: "handover-outages",
    edits: [
      {
        file: OBSERVE,
        find: "  if (lease === null || !isIdle || offerIn(state, lease) === null) {",
        replace: "  if (lease === null) {",
      },
    ],
  },
];
