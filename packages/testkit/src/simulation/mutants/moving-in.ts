/** Following a source outside the group, and the cutover (docs/protocol.md, section 4.6). */
import { SIMULATION, type Mutant } from "./mutant.ts";

const SOURCE = "replication/src/plan-source.ts";

export const MOVING_IN: readonly Mutant[] = [
  {
    name: "a cutover promotes without the equality with the source",
    rule: "4.6",
    profile: "migrations",
    isQuick: true,
    edits: [
      {
        file: SOURCE,
        find: "  return isNewer && isEqual ? null :",
        replace: "  return isNewer || isEqual || stood.offset > 0 ? null :",
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
        file: SOURCE,
        find: '  if (cutover.closes) act(turn, { type: "openSource", reason: "cutoverRefused" });',
        replace: "",
      },
    ],
  },
  {
    name: "a source is opened although a promotion was sent",
    rule: "4.6",
    profile: "migrations",
    edits: [
      {
        file: SOURCE,
        find: "  if (!awaitsSource(turn.state, turn.config) || mayBeWritable(turn.state)) return;",
        replace: "",
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
        file: SOURCE,
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
        file: SOURCE,
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
        find: "if (before !== null) return before;",
        replace: "if (before !== null && before.epoch < 0) return before;",
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
