/**
 * The result of a wish for another leader: what is printed, and how the command ends. A change
 * that was answered with "done" is looked at until the new leader has the address, and its gap is
 * read from the history.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { HistoryEntry } from "@leasehold/kubernetes";
import type { ControlRequest } from "@leasehold/replication";
import { CommandError, type Exit } from "../exit.ts";
import { API_VERSION, podOf, valueOf } from "../group/status.ts";
import type { GroupContext } from "../group-command.ts";
import { print } from "../output/render.ts";
import { formatMs } from "../output/span.ts";
import type { Outcome } from "./perform.ts";

export interface ChangeResult {
  readonly apiVersion: typeof API_VERSION;
  readonly kind: "LeaderChange";
  readonly group: string;
  readonly namespace: string;
  /** Null: nothing was asked for (a dry run, or it leads already). */
  readonly request: ControlRequest | null;
  /** `possible` and `impossible` are those of a dry run. */
  readonly outcome: "done" | "refused" | "undone" | "withdrawn" | "possible" | "impossible";
  readonly words: string;
  readonly before: string | null;
  /** Who leads now; null: nobody, or unknown. */
  readonly after: string | null;
  readonly writeGapMs: number | null;
  readonly lostBytesMax: number | null;
}

type Context = Pick<GroupContext<object>, "reader" | "namespace" | "group" | "flags" | "session">;

const LOOK_AGAIN_MS = 50;
const LEADS_MS = 10_000;
/** The history comes a moment later than the lead. */
const HISTORY_MS = 2_000;

const EXIT_OF: Readonly<Record<ChangeResult["outcome"], Exit>> = {
  done: "done",
  possible: "done",
  refused: "refused",
  impossible: "refused",
  undone: "unknown",
  withdrawn: "unknown",
};

export interface Asked {
  readonly request: ControlRequest | null;
  readonly before: string | null;
  /** Of the group before the request. */
  readonly epoch: number;
}

/** Prints what became of a request; throws unless it was done. */
export async function finish(context: Context, asked: Asked, outcome: Outcome): Promise<void> {
  if (outcome.kind === "withdrawn") {
    const words =
      outcome.why === "interrupted" ? "interrupted: withdrawn in time" : "nobody answered in time";
    return report(context, resultOf(context, asked, { outcome: "withdrawn", words }));
  }
  const { done, refused, words } = outcome.answer;
  if (!done) {
    const kind = refused ? "refused" : "undone";
    return report(context, resultOf(context, asked, { outcome: kind, words }));
  }
  const after = await newLeader(context, asked);
  const entry = after === null ? null : await entryOf(context, { to: after, since: asked.epoch });
  const { writeGapMs = null, lostBytesMax = null } = entry ?? {};
  const known = { after, writeGapMs, lostBytesMax };
  const result = { ...resultOf(context, asked, { outcome: "done", words }), ...known };
  if (after === null) {
    const missing = { ...result, words: `${words}, but does not lead yet: look at \`status\`` };
    return report(context, missing, "unknown");
  }
  return report(context, result);
}

export function resultOf(
  { group, namespace }: Context,
  { request, before }: Omit<Asked, "epoch">,
  said: Pick<ChangeResult, "outcome" | "words">,
): ChangeResult {
  return {
    apiVersion: API_VERSION,
    kind: "LeaderChange",
    group,
    namespace,
    request,
    ...said,
    before,
    after: said.outcome === "done" ? null : before,
    writeGapMs: null,
    lostBytesMax: null,
  };
}

/** Prints it; throws unless it is a good end. */
export function report(context: Context, result: ChangeResult, exit?: Exit): void {
  const { session, flags } = context;
  print(session, flags, {
    data: result,
    lines: () => linesOf(result),
    name: result.after,
  });
  const code = session.signal.aborted ? "interrupted" : (exit ?? EXIT_OF[result.outcome]);
  if (code !== "done") throw new CommandError(code, "");
}

function linesOf(result: ChangeResult): readonly string[] {
  const { group, request, outcome, words, before, after, writeGapMs, lostBytesMax } = result;
  if (outcome === "done") {
    const gap = writeGapMs === null ? "" : `, no writes for about ${formatMs(writeGapMs)}`;
    const lost = lostBytesMax ? `, at most ${lostBytesMax} bytes lost` : "";
    const move = `${before ?? "nobody"} -> ${after ?? "nobody"}`;
    return [`${group}: ${before === after ? words : `${move}${gap}${lost}`}`];
  }
  const id = request === null ? "" : ` (request ${request.id})`;
  return [`${group}: ${outcome}, ${words}${id}`, `${before ?? "nobody"} leads`].slice(
    0,
    outcome === "withdrawn" || outcome === "undone" ? 1 : 2,
  );
}

/** Waits until the Lease's holder has renewed it and the address is his. */
async function newLeader(context: Context, { request, before }: Asked): Promise<string | null> {
  const { reader, group } = context;
  const deadline = performance.now() + LEADS_MS;
  while (performance.now() < deadline) {
    const [lease, slice] = await Promise.all([reader.lease(group), reader.slice(group)]);
    const record = valueOf(lease)?.record ?? null;
    const address = valueOf(slice);
    const holder = podOf(record?.holder ?? null);
    const isWanted = request?.to == null ? holder !== before : holder === request.to;
    const isSettled = record?.handover === null && address?.holder === record.holder;
    if (holder !== null && isWanted && isSettled && address.address !== null) return holder;
    await delay(LOOK_AGAIN_MS);
  }
  return null;
}

/** Null: it may not be read, or is not there yet. */
async function entryOf(
  { reader, group }: Context,
  change: { readonly to: string; readonly since: number },
): Promise<HistoryEntry | null> {
  const deadline = performance.now() + HISTORY_MS;
  while (performance.now() < deadline) {
    const history = await reader.history(group);
    if (history.kind === "forbidden") return null;
    const entries = valueOf(history) ?? [];
    const entry = entries.findLast((one) => one.epoch > change.since && one.to === change.to);
    if (entry !== undefined) return entry;
    await delay(LOOK_AGAIN_MS);
  }
  return null;
}
