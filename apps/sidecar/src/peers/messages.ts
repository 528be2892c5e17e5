/**
 * The messages of the members' port. What comes in is checked before it is believed to have its
 * shape; a signed message of a newer version may carry more than is known here.
 */
import * as v from "valibot";
import type { HandoverQuestion, PromiseAnswer, PromiseRequest } from "@leasehold/election";
import type { MemberReport } from "@leasehold/replication";
import type { OffsetReply } from "../await-offset.ts";
import { Epoch, LineageShape, parseShape, PositionShape, WholeNumber } from "../shapes.ts";
import { seal, unseal } from "./seal.ts";

export const PATHS = {
  report: "/v1/report",
  promise: "/v1/promise",
  hint: "/v1/hint",
  offset: "/v1/offset",
  credentials: "/v1/credentials",
  changing: "/v1/changing",
} as const;

/** Longest body that is read, of a request or an answer. */
export const BODY_LIMIT_BYTES = 64 * 1024;

const Address = v.object({ host: v.string(), port: WholeNumber });

const Report: v.GenericSchema<unknown, MemberReport> = v.object({
  member: v.string(),
  identity: v.string(),
  podUid: v.string(),
  address: Address,
  epoch: Epoch,
  leads: v.boolean(),
  promoted: v.boolean(),
  // A member of an older version does not say.
  relays: v.optional(v.boolean(), false),
  redis: v.picklist(["up", "loading", "down", "gated"]),
  runId: v.nullable(v.string()),
  replid: v.nullable(v.string()),
  position: v.nullable(PositionShape),
  offset: WholeNumber,
  empty: v.boolean(),
  inSync: v.boolean(),
  follows: v.nullable(Address),
  ineligible: v.nullable(v.string()),
  coldStart: v.boolean(),
  boundUntilMs: v.number(),
  apiAgeMs: v.number(),
  hasRecord: v.boolean(),
  recordMembers: v.array(v.string()),
  recordEpoch: Epoch,
  lineage: LineageShape,
  terminating: v.boolean(),
  priority: WholeNumber,
  revision: v.string(),
  unlisted: v.exactOptional(v.boolean()),
  unsaved: v.exactOptional(v.boolean()),
  listeners: v.exactOptional(WholeNumber),
});

const Request: v.GenericSchema<unknown, PromiseRequest> = v.object({
  holder: v.string(),
  epoch: Epoch,
  round: WholeNumber,
  lineage: LineageShape,
  asked: v.array(v.string()),
  durationMs: v.pipe(WholeNumber, v.minValue(1)),
  binding: v.boolean(),
});

const Answer = v.object({ yes: v.boolean(), reason: v.string() });
const Offset: v.GenericSchema<unknown, OffsetReply> = v.object({
  offset: v.nullable(WholeNumber),
  // A member of an older version does not say.
  accepted: v.optional(v.nullable(v.string()), null),
});

const OffsetQuestion = v.object({
  handover: v.optional(v.nullable(v.object({ from: v.string(), epoch: Epoch })), null),
});

/** Fingerprints of the passwords that a member's Redis accepts, and of those that it uses. */
export interface CredentialsAnswer {
  readonly accepts: string | null;
  readonly uses: string | null;
  /** Sealed on the wire: against a hash anybody could try passwords. */
  readonly told: readonly ToldPassword[];
}

/** That a member accepts it of a user, and how long it will. */
export interface ToldPassword {
  readonly user: string;
  /** SHA-256, in hexadecimal digits. */
  readonly hash: string;
  readonly leftMs: number;
}

const CredentialsAnswerShape = v.object({
  accepts: v.nullable(v.string()),
  uses: v.nullable(v.string()),
  // A member of an older version does not tell.
  sealed: v.optional(v.nullable(v.string()), null),
});

const Told: v.GenericSchema<unknown, readonly ToldPassword[]> = v.array(
  v.object({
    user: v.string(),
    // It goes into commands and files.
    hash: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
    leftMs: v.number(),
  }),
);

/** A planned change has begun: writes are held, for `deadlineMs` at most. */
export interface ChangeNotice {
  /** Of the leader that hands over. */
  readonly epoch: number;
  readonly successor: string | null;
  readonly deadlineMs: number;
}

/** As a member tells it to another one. Of one process only the rounds grow. */
export interface MemberNotice extends ChangeNotice {
  readonly from: string;
  readonly round: number;
}

const Notice: v.GenericSchema<unknown, MemberNotice> = v.object({
  epoch: Epoch,
  successor: v.nullable(v.string()),
  deadlineMs: v.pipe(WholeNumber, v.maxValue(60_000)),
  from: v.string(),
  round: WholeNumber,
});

/** Each returns null for what has another shape. */
export function readReport(body: string): MemberReport | null {
  return read(Report, body);
}

export function readPromiseRequest(body: string): PromiseRequest | null {
  return read(Request, body);
}

export function readPromiseAnswer(body: string): PromiseAnswer | null {
  return read(Answer, body);
}

export function readOffset(body: string): OffsetReply | null {
  return read(Offset, body);
}

/** Undefined: it is no question. */
export function readHandoverQuestion(body: string): HandoverQuestion | null | undefined {
  return read(OffsetQuestion, body)?.handover;
}

/** `key`: the one that request and answer are signed with. */
export function sealCredentials({ accepts, uses, told }: CredentialsAnswer, key: Buffer): unknown {
  return { accepts, uses, sealed: seal(key, JSON.stringify(told)) };
}

/** What cannot be unsealed or understood was not told; the rest counts nevertheless. */
export function readCredentialsAnswer(body: string, key: Buffer): CredentialsAnswer | null {
  const answer = read(CredentialsAnswerShape, body);
  if (!answer) return null;
  const { accepts, uses, sealed } = answer;
  const text = sealed === null ? null : unseal(key, sealed);
  return { accepts, uses, told: (text === null ? null : read(Told, text)) ?? [] };
}

export function readChangeNotice(body: string): MemberNotice | null {
  return read(Notice, body);
}

function read<T>(shape: v.GenericSchema<unknown, T>, body: string): T | null {
  const parsed = parseShape(shape, body);
  return parsed.ok ? parsed.value : null;
}
