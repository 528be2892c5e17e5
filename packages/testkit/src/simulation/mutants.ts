/**
 * The protocol, broken on purpose, one rule at a time. A checker that none of these makes speak
 * is no checker; a rule whose mutant nobody notices is not tested.
 *
 * `find` must occur exactly once in its file, else the run fails: a mutant that does not apply
 * proves nothing. Files are relative to `packages/`; those of the simulation stand for what an
 * adapter, the runtime or the guard could do wrong.
 */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  /** Section of docs/protocol.md, and the interleaving behind the rule. */
  readonly rule: string;
  /** The kind of trouble that makes it likely. */
  readonly profile: string;
  /** Among the few that every check runs. */
  readonly isQuick?: boolean;
  readonly edits: readonly Edit[];
}

const OBSERVE = "election/src/observe.ts";
const WRITE = "election/src/write.ts";
const CLAIM = "election/src/claim.ts";
const VOTE = "election/src/vote.ts";
const RIGHT = "election/src/right.ts";
const LEAD = "replication/src/plan-lead.ts";
const STEPS = "replication/src/handoff-steps.ts";
const WON = "replication/src/plan-won.ts";
const FENCE = "replication/src/plan-fence.ts";
const STOP = "replication/src/plan-stop.ts";
const DRAFTS = "replication/src/drafts.ts";
const REDIS = "replication/src/redis-view.ts";
const JUDGE = "replication/src/judge.ts";
const SOURCE = "replication/src/plan-source.ts";
const FAILSAFE = "replication/src/plan-failsafe.ts";
const SIMULATION = "testkit/src/simulation/";

export const MUTANTS: readonly Mutant[] = [
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
    name: "handover not removed by the first renewal",
    rule: "5.5, second review 1",
    profile: "slow-renewals",
    edits: [
      {
        file: DRAFTS,
        find: "    handover: null,\n    released: null,\n    paused:",
        replace: "    handover: before?.handover ?? null,\n    released: null,\n    paused:",
      },
    ],
  },
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
          const { successor, isEqual, request, pausedAt } = handoff;`,
        replace: `if (right(turn) <= 0) return;
          const { successor, isEqual, request, pausedAt } = handoff;`,
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
    name: "a closed socket is taken for a death",
    rule: "6, U4",
    profile: "client-kills",
    isQuick: true,
    edits: [
      {
        file: `${SIMULATION}pod/probe.ts`,
        find: "if (this.sidecar.alive) this.sidecar.post(() => this.nudge());",
        replace: 'if (this.sidecar.alive) this.sidecar.observeRedis({ kind: "refused" });',
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
        find: 'if (durable !== null) return trust("restored", { ...durable, restored: true });',
        replace: 'if (position !== null) return trust("exact", position);',
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
    name: "SIGTERM releases over a writable Redis",
    rule: "3, U10",
    profile: "sigterms",
    isQuick: true,
    edits: [
      {
        file: STOP,
        find: "if (stop === null || election.term === null || mayBeWritable(turn.state)) return;",
        replace: "if (stop === null || election.term === null) return;",
      },
      {
        file: STOP,
        find: "if (right(turn) <= 0 || election.term === null || mayBeWritable(turn.state)) return false;",
        replace: "if (right(turn) <= 0 || election.term === null) return false;",
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
  {
    name: "positions as old as the last probe",
    rule: "6, fresh reports",
    profile: "primary-deaths",
    edits: [
      {
        file: `${SIMULATION}pod/ask.ts`,
        find: "      put: (target, reply) => target.probe.refresh(() => reply(target.report())),",
        replace: "      put: (target, reply) => reply(target.report()),",
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
  {
    name: "who writes to a member that does not lead is left there",
    rule: "5.6",
    profile: "failsafe",
    edits: [
      {
        file: "replication/src/plan-strays.ts",
        find: '  role(turn, { kind: "cutWriters" }, "strayWriters");\n',
        replace: "",
      },
    ],
  },
];
