/** Fences, and the path to a promotion (docs/protocol.md, section 3). */
import { SIMULATION, type Mutant } from "./mutant.ts";

const RIGHT = "election/src/right.ts";
const LEAD = "replication/src/plan-lead.ts";
const STEPS = "replication/src/handoff-steps.ts";
const FENCE = "replication/src/plan-fence.ts";
const STOP = "replication/src/plan-stop.ts";
const REDIS = "replication/src/redis-view.ts";

export const FENCES: readonly Mutant[] = [
  {
    name: "transfer before demotion",
    rule: "3, 5.3, U11",
    profile: "switchovers",
    isQuick: true,
    edits: [
      {
        file: STEPS,
        find: `updateHandoff(turn, { phase: "demoting", awaiting: null });
          return role(turn, { kind: "demote", cutClients: false }, "transferSwitchover");`,
        replace: `const { info } = turn.state.redis;
          const [offset, replid] = [info?.offset ?? 0, info?.replid ?? ""];
          updateHandoff(turn, { phase: "comparing", isEqual: true, offset, replid });
          return sendTransfer(turn);`,
      },
      {
        file: STEPS,
        find: `if (right(turn) <= 0 || mayBeWritable(turn.state)) return;
          const { successor, isEqual, accepted, request, pausedAt } = handoff;`,
        replace: `if (right(turn) <= 0) return;
          const { successor, isEqual, accepted, request, pausedAt } = handoff;`,
      },
    ],
  },
  {
    name: "role commands on connections of their own",
    rule: "3, U6",
    profile: "promotion-stops",
    edits: [
      {
        file: `${SIMULATION}pod/role-connection.ts`,
        find: "this.waiting.push(wanted); if (this.current === null) this.next();",
        replace: "this.connection = null; this.waiting.push(wanted); this.next();",
      },
      {
        file: `${SIMULATION}redis/server.ts`,
        find: "if (connection === spare) continue;",
        replace: "if (connection === spare || connection.address === spare?.address) continue;",
      },
      {
        file: "replication/src/fold.ts",
        find: 'const later = state.pending.some((one) => one.command.kind === "promote");',
        replace: "const later = state.pending.length < 0;",
      },
    ],
  },
  {
    name: "a starting sidecar believes the first answer to its demotion",
    rule: "3, U6",
    profile: "promotion-crashes",
    edits: [
      {
        file: "replication/src/fold.ts",
        find: 'const surely = kind === "verifyDemoted" || !unclear;',
        replace: "const surely = kind.length > 0;",
      },
    ],
  },
  {
    name: "SIGTERM releases over a writable Redis",
    rule: "3, U10",
    profile: "sigterms",
    isQuick: true,
    edits: [
      {
        file: STOP,
        find: "if (stop === null || election.term === null || mayBeWritable(turn.state)) return false;",
        replace: "if (stop === null || election.term === null) return false;",
      },
      {
        file: STOP,
        find: "if (election.term === null || mayBeWritable(turn.state)) return false;",
        replace: "if (election.term === null) return false;",
      },
    ],
  },
  {
    name: "writes open before the lineage is known",
    rule: "3, U14",
    profile: "crashes",
    isQuick: true,
    edits: [
      {
        file: LEAD,
        find: "  if (isPublished(turn.state, lead)) return open(turn, lead);",
        replace: "  if (isPublished(turn.state, lead) || lead.epoch > 0) return open(turn, lead);",
      },
    ],
  },
  {
    name: "permit computed after the answer",
    rule: "3, U19",
    profile: "freezes",
    edits: [
      {
        file: FENCE,
        find: "  const deadlineBootMs = permitDeadlineBootMs(election);\n  if (deadlineBootMs === null) return;",
        replace: `  if (permitDeadlineBootMs(election) === null) return;
  const deadlineBootMs = turn.at.bootMs + 0.9 * turn.config.leaseDurationMs;`,
      },
    ],
  },
  {
    name: "follow written by a starting sidecar",
    rule: "3, second review 2",
    profile: "crashes",
    isQuick: true,
    edits: [
      {
        file: FENCE,
        find: "  killUnanswered(turn);\n",
        replace: `  killUnanswered(turn);
  const { nonce } = turn.state.start;
  if (turn.state.permit?.nonce !== nonce) writePermit(turn, { kind: "follow", nonce }, "startGated");
`,
      },
    ],
  },
  {
    name: "the guard lets a Redis run whose permit is out of time",
    rule: "3, B12",
    profile: "freezes",
    isQuick: true,
    edits: [
      {
        file: `${SIMULATION}pod/guard.ts`,
        find: '    if (permit.kind === "follow") return true;',
        replace: '    if (permit.kind === "follow" || permit.deadlineBootMs > 0) return true;',
      },
    ],
  },
  {
    name: "a stale `exited` is believed",
    rule: "3, second review 3",
    profile: "client-kills",
    edits: [
      {
        file: `${SIMULATION}pod/guard.ts`,
        find: '    this.say("waiting", null);\n    this.poll();',
        replace: "    this.poll();",
      },
      {
        file: `${SIMULATION}pod/guard.ts`,
        find: '    this.say("running", this.redis.pid);',
        replace: "",
      },
      {
        file: REDIS,
        find: "  if (redis.guardBootId === null) {",
        replace: '  if (redis.guardBootId === "") {',
      },
      {
        file: REDIS,
        find: "  if (guard.bootId !== redis.guardBootId) return proveDead(turn);",
        replace: "",
      },
    ],
  },
  {
    name: "a member without a right does not stop its Redis",
    rule: "3, E7",
    profile: "partitions",
    edits: [
      {
        file: FENCE,
        find: "  if (right(turn) > 0 || inheritedMs(turn) > 0) return;\n  stopWrites(turn);",
        replace: "  if (right(turn) > 0 || inheritedMs(turn) > 0) return;",
      },
    ],
  },
  {
    name: "a promotion without a backlog",
    rule: "3, replid that changes by itself",
    profile: "restarts",
    edits: [
      {
        file: `${SIMULATION}pod/role-commands.ts`,
        find: "      server.ensureBacklog();\n",
        replace: "",
      },
    ],
  },
  {
    name: "the guard's deadline is not cut by the validity's",
    rule: "3, second review 8",
    profile: "reconfigures",
    edits: [
      {
        file: RIGHT,
        find: "  if (term.cap === null) return deadline;",
        replace: "  if (term.cap === null || deadline > 0) return deadline;",
      },
    ],
  },
];
