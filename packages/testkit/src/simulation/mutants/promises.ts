/** Leading without the API (docs/protocol.md, section 7). */
import type { Mutant } from "./mutant.ts";

const WRITE = "election/src/write.ts";
const CLAIM = "election/src/claim.ts";
const VOTE = "election/src/vote.ts";
const FAILSAFE = "replication/src/plan-failsafe.ts";

export const PROMISES: readonly Mutant[] = [
  {
    name: "promises asked of the confirmed list only",
    rule: "7, U8",
    profile: "joins-into-cuts",
    edits: [
      {
        file: FAILSAFE,
        find: "return [...new Set([...known, ...listsInForce(state.election), state.start.member])].toSorted();",
        replace: `if (listed.length > 0) return [...new Set([...listed, state.start.member])].toSorted();
          return [...new Set([...known, state.start.member])].toSorted();`,
      },
    ],
  },
  {
    name: "a restarted sidecar asks its own pod only",
    rule: "7, second review 6",
    profile: "failsafe-restarts",
    edits: [
      {
        file: FAILSAFE,
        find: "  const recorded = recordedMembers(state);",
        replace: "  const recorded = recordedMembers(state).slice(0, 0);",
      },
    ],
  },
  {
    name: "failsafe resumes over an unresolved transfer",
    rule: "7, U7",
    profile: "handover-outages",
    edits: [
      {
        file: WRITE,
        find: "  return state.term?.gaveSeq !== null && state.term?.gaveSeq !== undefined;",
        replace: "  return state.term?.gaveSeq === -1;",
      },
    ],
  },
  {
    name: "a promise although another holds that epoch",
    rule: "7, second review 5",
    profile: "failsafe-races",
    edits: [
      {
        file: VOTE,
        find: "  if (other && state.holderSeen !== null) return `${state.holderSeen} holds that epoch`;",
        replace: "",
      },
      {
        file: VOTE,
        find: '  if (facts.leads) return "I lead";',
        replace: "",
      },
      {
        file: VOTE,
        find: "return { ...learned, term: null, round: null, bound };",
        replace: "return { ...learned, bound };",
      },
    ],
  },
  {
    name: "a promise does not bind",
    rule: "7, S2",
    profile: "failsafe",
    isQuick: true,
    edits: [
      {
        file: CLAIM,
        find: '  if (claim.kind === "none" || !isBound(state.bound, at)) return claim;',
        replace: '  if (claim.kind === "none" || claim.kind === "now") return claim;',
      },
    ],
  },
  {
    name: "a promise counts from its answers",
    rule: "7, S2",
    profile: "late-answers",
    edits: [
      {
        file: VOTE,
        find: "  const promised = { from: round.startedAt, durationMs: round.durationMs };",
        replace: "  const promised = { from: at, durationMs: round.durationMs + 1500 };",
      },
    ],
  },
];
