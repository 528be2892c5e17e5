/** Planned changes and stops (docs/protocol.md, section 5). */
import { SIMULATION, type Mutant } from "./mutant.ts";

const ACCEPTANCE = "election/src/acceptance.ts";
const CLAIM = "election/src/claim.ts";
const WRITE = "election/src/write.ts";
const STEPS = "replication/src/handoff-steps.ts";
const WON = "replication/src/plan-won.ts";
const STOP = "replication/src/plan-stop.ts";
const ACCEPTS = "replication/src/plan-acceptance.ts";
const DRAFTS = "replication/src/drafts.ts";
const JUDGE = "replication/src/judge.ts";

export const SWITCHOVERS: readonly Mutant[] = [
  {
    name: "handover not removed by the first renewal",
    rule: "5.5, second review 1",
    profile: "slow-renewals",
    edits: [
      {
        file: DRAFTS,
        find: "    handover: null,\n    released: null,\n    paused:",
        replace: "    handover: before?.handover ?? null,\n    released: null,\n    paused:",
      },
      // Whoever accepts in advance has a whole D all the same (ADR 0021).
      {
        file: ACCEPTS,
        find: "const accepted = isFree && mayLead ?",
        replace: "const accepted = isFree && mayLead && question.epoch < 0 ?",
      },
    ],
  },
  {
    name: "demotion towards the successor",
    rule: "5.3, U1",
    profile: "late-bytes",
    edits: [
      {
        file: `${SIMULATION}pod/role-commands.ts`,
        find: '    case "demote":\n      server.follow(GATE);',
        replace: `    case "demote": {
      const name = (one: { replica: RedisServer }) => world.podOf(one.replica).name;
      const [link] = [...server.links].toSorted((a, b) => name(a).localeCompare(name(b)));
      const host = link === undefined ? null : world.podOf(link.replica).host;
      server.follow(command.cutClients || host === null ? GATE : { host, port: 6379 });
    }`,
      },
    ],
  },
  {
    name: "no second comparison after the demotion",
    rule: "5.3, D8",
    profile: "late-bytes",
    edits: [
      {
        file: STEPS,
        find: 'updateHandoff(turn, { phase: "comparing", offset, replid, awaiting: id });',
        replace: `updateHandoff(turn, { phase: "comparing", offset, replid, awaiting: null, isEqual: true });
          return sendTransfer(turn);`,
      },
    ],
  },
  {
    name: "an aborted hand-over promotes without the position test",
    rule: "5.7, second review 4",
    profile: "handover-outages",
    edits: [
      {
        file: WON,
        find: "if (!decided && !isAskedAndBest(turn, lead)) return;",
        replace: 'if (!decided && lead.way !== "resume" && !isAskedAndBest(turn, lead)) return;',
      },
    ],
  },
  {
    name: "released is taken by whoever comes first",
    rule: "5.7, U15",
    profile: "clean-stops",
    edits: [
      {
        file: JUDGE,
        find: "if (released && isWhole) return judgeRivals(turn);",
        replace: "if (released) return isWhole ? GO : GO;",
      },
    ],
  },
  {
    name: "a release without its position",
    rule: "5.7, U15",
    profile: "clean-stops",
    edits: [
      {
        file: STOP,
        find: "  const released = { by: election.me, position: wish.position, clean: wish.clean };",
        replace: "  const released = { by: election.me, position: null, clean: wish.clean };",
      },
    ],
  },
  {
    name: "the right does not end with the sending of a transfer",
    rule: "5.4, U7",
    profile: "handover-outages",
    edits: [
      {
        file: WRITE,
        find: "    return { ...term, confirmed: null, promised: null, gaveSeq: one.seq };",
        replace: "    return { ...term };",
      },
    ],
  },
  {
    name: "who writes to a member that does not lead is left there",
    rule: "5.6",
    profile: "failsafe",
    edits: [
      {
        file: "replication/src/plan-strays.ts",
        find: '  role(turn, { kind: "cutWriters", scripts: false }, "strayWriters");\n',
        replace: "",
      },
    ],
  },
  {
    name: "a member whose container was stopped stays stopped",
    rule: "5.7, the hook of a container",
    profile: "container-stops",
    edits: [
      { file: STOP, find: "  exitAtEnd(turn);\n  goOn(turn);", replace: "  exitAtEnd(turn);" },
    ],
  },
  {
    name: "a hand-over that was accepted in advance goes stale",
    rule: "5.5, second review 1",
    profile: "accepted-cuts",
    isQuick: true,
    edits: [
      {
        file: CLAIM,
        find: "  return handover.accepted === undefined;",
        replace: "  return true;",
      },
    ],
  },
  {
    name: "a term that was accepted in advance counts from the sight of the transfer",
    rule: "5.5, 2.1",
    profile: "accepted-cuts",
    edits: [
      {
        file: ACCEPTANCE,
        find: "  if (leaderElapsedMs(acceptance.at, at) > ACCEPTANCE_MS) return state;",
        replace: "",
      },
      {
        file: ACCEPTANCE,
        find: "confirmed: { from: acceptance.at, durationMs: record.durationMs },",
        replace: "confirmed: { from: at, durationMs: record.durationMs },",
      },
    ],
  },
];
