/** What a copy is believed, and who is electable (docs/protocol.md, sections 4.1 to 4.5). */
import type { Mutant } from "./mutant.ts";

const WON = "replication/src/plan-won.ts";
const REDIS = "replication/src/redis-view.ts";
const JUDGE = "replication/src/judge.ts";
const MEMBERS = "replication/src/members.ts";
const HANDOFF = "replication/src/plan-handoff.ts";
const DRAFTS = "replication/src/drafts.ts";

export const COPIES: readonly Mutant[] = [
  {
    name: "restart in place without asking for positions",
    rule: "4.2, U5",
    profile: "restarts",
    isQuick: true,
    edits: [
      {
        file: WON,
        find: "if (!decided && !isAskedAndBest(turn, lead)) return;",
        replace: "if (decided && !isAskedAndBest(turn, lead)) return;",
      },
    ],
  },
  {
    name: "an empty Redis is believed by its record",
    rule: "4.1, U12",
    profile: "restarts",
    edits: [
      {
        file: REDIS,
        find: 'if (info.keys === 0 && record.keys > 0) return trust("empty", null);',
        replace: "",
      },
    ],
  },
  {
    name: "a restored copy is believed whole",
    rule: "1, 4.1, U12",
    profile: "lost-tails",
    edits: [
      {
        file: REDIS,
        find: "  const restored = restoredPosition(record, runId);",
        replace:
          'if (record.position !== null) return trust("exact", record.position);\n' +
          "  const restored = restoredPosition(record, runId);",
      },
    ],
  },
  {
    name: "who led last is no better than others",
    rule: "4.1, ADR 0026",
    profile: "ends-of-all",
    isQuick: true,
    edits: [
      {
        file: REDIS,
        find: "  return led ? { ...restored, led } : restored;",
        replace: "  return restored;",
      },
    ],
  },
  {
    name: "a claim of a newer epoch goes before who led under it",
    rule: "4.1, ADR 0026",
    profile: "ends-of-all",
    edits: [
      {
        file: MEMBERS,
        find: "  const compare = areRestored ? compareRestored : comparePositions;",
        replace: "  const compare = comparePositions;",
      },
    ],
  },
  {
    name: "half a data set is whole while the next Redis loads",
    rule: "4.1, ADR 0008",
    profile: "ends-of-all",
    edits: [
      {
        file: DRAFTS,
        find: "  return found || isSyncUnsaved(state, config.mode);",
        replace: "  return isSyncUnsaved(state, config.mode);",
      },
      // By itself it shows no more since hand-overs wait for whole files (ADR 0027).
      {
        file: MEMBERS,
        find: "  const isSaved = (report: MemberReport): number => Number(report.unsaved !== true);",
        replace:
          "  const isSaved = (report: MemberReport): number => Number(report.member !== null);",
      },
      {
        file: HANDOFF,
        find: "  if (chosen.unsaved === true && mayWaitForFiles(turn, handoff)) {",
        replace: '  if (chosen.unsaved === true && chosen.member === "") {',
      },
    ],
  },
  {
    name: "empty members found the group anew",
    rule: "4.1, second review 15",
    profile: "restarts",
    edits: [
      {
        file: JUDGE,
        find: "  if (!lost) return no(ALL_EMPTY);",
        replace: "",
      },
    ],
  },
  {
    name: "an empty holder promotes itself",
    rule: "4.2, B3",
    profile: "restarts",
    edits: [
      {
        file: WON,
        find: "if (own === null) return emptyMayLead(turn, lead);",
        replace: "if (own === null) return lead.epoch > 0;",
      },
    ],
  },
  {
    name: "in sync as long as Redis calls its link up",
    rule: "4.3",
    profile: "partitions",
    edits: [
      {
        file: "replication/src/lag.ts",
        find: "  return waiterElapsedMs(oldest.at, infoAt) > config.leaseDurationMs;",
        replace: "  return waiterElapsedMs(oldest.at, infoAt) > 60_000;",
      },
    ],
  },
];
