/** Following a source outside the group, and the cutover (docs/protocol.md, section 4.6). */
import { SIMULATION, type Mutant } from "./mutant.ts";

const CUTOVER = "replication/src/plan-cutover.ts";
const SOURCE_VIEW = "replication/src/source-view.ts";

export const MOVING_IN: readonly Mutant[] = [
  {
    name: "a cutover promotes without the equality with the source",
    rule: "4.6",
    profile: "migrations",
    isQuick: true,
    edits: [
      {
        file: CUTOVER,
        find: "  return isNewer && isEqual ? null :",
        replace: "  return isNewer || isEqual || stood.offset > 0 ? null :",
      },
      {
        file: SOURCE_VIEW,
        find: " && one.offset >= offset,",
        replace: ",",
      },
    ],
  },
  {
    name: "an answer from before the source was closed counts",
    rule: "4.6",
    profile: "migrations",
    edits: [
      {
        file: `${SIMULATION}source/admin.ts`,
        find: "if (closes) this.closeAndStand(talk, end);",
        replace: "if (closes && endAtMs < 0) this.closeAndStand(talk, end);",
      },
    ],
  },
  {
    name: "a late opening does not mind a newer closing",
    rule: "4.6",
    profile: "migrations",
    edits: [
      {
        file: `${SIMULATION}source/admin.ts`,
        find: "      if (this.closings !== before) return;",
        replace: "      if (this.closings < before) return;",
      },
    ],
  },
  {
    name: "a cutover that fails does not open the source",
    rule: "4.6",
    profile: "migrations",
    edits: [
      {
        file: CUTOVER,
        find: '  if (cutover.closes) act(turn, { type: "openSource", reason: "cutoverRefused" });',
        replace: "",
      },
    ],
  },
  {
    name: "a source is opened although the Lease may have its history",
    rule: "4.6",
    profile: "migrations",
    edits: [
      {
        file: CUTOVER,
        find: "  if (cutover.sent || !awaitsSource(turn.state, turn.config) || mayBeWritable(turn.state)) return;",
        replace: "",
      },
      {
        file: CUTOVER,
        find: "  if (cutover === null || cutover.sent) return;",
        replace: "  if (cutover === null) return;",
      },
    ],
  },
  {
    name: "nobody waits for the Lease to say what the group moves in with",
    rule: "4.6",
    profile: "migrations",
    edits: [
      {
        file: CUTOVER,
        find: "  set(turn, { cutover: { ...cutover, entry, sent } });",
        replace: "  set(turn, { cutover: { ...cutover, entry, sent }, lineage: [entry] });",
      },
    ],
  },
  {
    name: "a cutover does not mind that no other member has it all",
    rule: "4.6",
    profile: "migrations",
    isQuick: true,
    edits: [
      {
        file: CUTOVER,
        find: "  if (alone || others(state).length === 0) return null;",
        replace: "  if (alone || others(state).length >= 0) return null;",
      },
    ],
  },
  {
    name: "who has it all is not on the list before the cutover",
    rule: "4.6",
    profile: "cutover-losses",
    edits: [
      {
        file: SOURCE_VIEW,
        find: "one.member in listed && one.priority > 0",
        replace: "(one.member in listed || one.priority > 0)",
      },
      {
        file: "replication/src/drafts.ts",
        find: "report.inSync || (isWhole && sharesCopy(state, report));",
        replace: "report.inSync || (isWhole && me < '' && sharesCopy(state, report));",
      },
    ],
  },
  {
    name: "whoever has data follows the source all the same",
    rule: "4.6",
    profile: "migrations",
    isQuick: true,
    edits: [
      {
        file: SOURCE_VIEW,
        find: "  return config.source !== null && state.lineage.length === 0;",
        replace: "  return config.source !== null && state.lineage.length < 99;",
      },
    ],
  },
  {
    name: "any promotion ends a cutover as done",
    rule: "4.6",
    profile: "cutover-crashes",
    edits: [
      {
        file: CUTOVER,
        find: "  return entry.parent === stood.replid && entry.startOffset >= stood.offset;",
        replace: "  return stood.offset >= 0;",
      },
    ],
  },
  {
    name: "the file of the source's copy is a stranger's after the cutover",
    rule: "4.6",
    profile: "cutover-crashes",
    edits: [
      {
        file: "replication/src/lineage.ts",
        find: "  if (own !== null && isBeyondMove(own, offset, lineage)) return null;",
        replace: "  if (own?.moved) return null;",
      },
    ],
  },
  {
    name: "what an ended connection had still to say arrives at the source",
    rule: "4.6",
    profile: "late-closings",
    edits: [
      {
        file: `${SIMULATION}source/talk.ts`,
        find: "      if (isHeldUp && this.isOver) return;",
        replace: "",
      },
    ],
  },
];
