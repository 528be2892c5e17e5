/**
 * Moving in from a Redis outside the group: until the group has data of its own, its holder follows
 * the source, and a cutover that people ask for makes it lead (docs/protocol.md, section 4.6).
 *
 * Guarantees: while it follows, the holder stays where a won lead stays before its promotion: a
 * replica under a `follow` permit, with no address in the slice. Who has the holder's whole copy
 * comes on the list. Once any history of the group is known, the source counts for nothing.
 */
import { recordOf, waiterElapsedMs } from "@leasehold/election";
import { isDurable, joiningMember } from "./drafts.ts";
import { sameAddress } from "./members.ts";
import type { RedisAddress } from "./observation.ts";
import { failCutover, planCutover } from "./plan-cutover.ts";
import { ensureRecord } from "./plan-record.ts";
import { redisIsUp, setRedis } from "./redis-view.ts";
import { act, announce, podOf, role, set, type Turn } from "./turn.ts";

/** Between two tries to be attached: Redis tries again by itself each second. */
const ATTACH_AGAIN_MS = 3_000;

/** stays: a replica of the source. leaves: this pod stops. */
export type SourceStep = "stays" | "leaves";

/** A holder that has won and would be promoted if there were no source. */
export function planSource(turn: Turn): SourceStep {
  const { start, stop, lead, cutover } = turn.state;
  const { source } = turn.config;
  if (source === null || lead === null) return "stays";
  // It is no late promotion: nobody else may follow in its place (4.5).
  set(turn, { lead: { ...lead, since: turn.at } });
  const stops = stop !== null || podOf(turn.state, start.member)?.terminating === true;
  if (stops && !cutover?.sent) {
    failCutover(turn, "its pod stops");
    return "leaves";
  }
  answerForce(turn);
  letJoin(turn);
  if (redisIsUp(turn.state) && !cutover?.detaches) attach(turn, source);
  planCutover(turn);
  return "stays";
}

/** A name is durable before the Lease shows it (second review 6). */
export function letJoin(turn: Turn): void {
  const listed = Object.keys(recordOf(turn.state.election.view)?.members ?? {});
  const name = joiningMember(turn, listed);
  if (name !== null && !isDurable(turn.state, name)) ensureRecord(turn, { membersSent: [name] });
}

/** People made this member the one that follows. */
function answerForce(turn: Turn): void {
  const { lead } = turn.state;
  if (lead === null || lead.forced === null) return;
  const result = { done: true, refused: false, words: "it follows the source, by force" };
  act(turn, { type: "finishRequest", reason: "acquireForced", requestId: lead.forced, result });
  set(turn, { lead: { ...lead, forced: null } });
}

function attach(turn: Turn, source: RedisAddress): void {
  const { redis, follow } = turn.state;
  if (sameAddress(redis.info?.upstream ?? null, source)) return;
  if (redis.role.known !== "demoted" || redis.role.pending.length > 0) return;
  const isTold = sameAddress(follow.upstream, source) && follow.at !== null;
  if (isTold && waiterElapsedMs(follow.at, turn.at) < ATTACH_AGAIN_MS) return;
  set(turn, { follow: { upstream: source, at: turn.at, bounced: false } });
  disown(turn);
  announce(turn, "followSource", { words: "follows the source outside the group" });
  role(turn, { kind: "follow", upstream: source, bounce: false }, "followSource");
}

/** What comes from here on is no data of the group, and no emptiness either, before a cutover. */
function disown(turn: Turn): void {
  const { data, info } = turn.state.redis;
  if (data === null || info === null) return;
  // Judged here: only another place in a history of the group's own is data from now on.
  const { replid, offset } = info;
  setRedis(turn, { data: { ...data, replid, offset, kind: "half", position: null } });
}
