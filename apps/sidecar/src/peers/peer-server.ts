/**
 * The members' port: signed questions of other members, and nothing else.
 *
 * Guarantees: a request without a valid signature gets 401, its body is not acted on; sizes,
 * times and connections are bounded; answers are signed. Decides nothing: promises are answered
 * by the core, through `PeerRequests`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { HandoverQuestion, PromiseAnswer, PromiseRequest } from "@leasehold/election";
import type { MemberReport } from "@leasehold/replication";
import type { OffsetReply } from "../await-offset.ts";
import {
  BODY_LIMIT_BYTES,
  PATHS,
  readChangeNotice,
  readHandoverQuestion,
  readPromiseRequest,
  sealCredentials,
  type ChangeNotice,
  type CredentialsAnswer,
} from "./messages.ts";
import { createRoundGate } from "./round-gate.ts";
import {
  isSignature,
  NONCE_HEADER,
  signAnswer,
  SIGNATURE_HEADER,
  signRequest,
} from "./signature.ts";

export interface PeerRequests {
  /** As of now: Redis was asked after the request came in. */
  report(): Promise<MemberReport>;
  /** Null: Redis does not answer. */
  offset(handover: HandoverQuestion | null): Promise<OffsetReply>;
  hint(): void;
  /** Another member's lead is about to change. */
  changing(notice: ChangeNotice): void;
  /** Null: the core did not answer in time. */
  promise(request: PromiseRequest): Promise<PromiseAnswer | null>;
  credentials(): CredentialsAnswer;
}

export interface PeerServerOptions {
  /** Each of them proves a member. */
  readonly keys: () => readonly Buffer[];
  /** The own name: a request for another member is refused. */
  readonly member: string;
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

interface SignedReply extends Reply {
  /** The one that the request was signed with. Null: with none of ours. */
  readonly key: Buffer | null;
}

const HINT_INTERVAL_MS = 50;
/** Node looks for connections that are out of time each half minute: D is over by then. */
const CHECK_MS = 500;
/** Whoever is refused learns nothing that only a member could have signed. */
const REFUSED: SignedReply = {
  status: 401,
  body: { error: "a valid signature is needed" },
  key: null,
};

/**
 * A server that is not listening yet. Until `answer` is called it holds the port, as protocol.md
 * section 2 asks, and answers 503.
 */
export interface PeerServer {
  readonly server: Server;
  answer(requests: PeerRequests): void;
}

export function createPeerServer(options: PeerServerOptions): PeerServer {
  let handle: Handler | null = null;
  const server = createServer(
    {
      keepAliveTimeout: 60_000,
      headersTimeout: 2_000,
      requestTimeout: 5_000,
      connectionsCheckingInterval: CHECK_MS,
    },
    (request, response) => {
      // Whatever breaks here breaks one answer, not the process.
      serve({ request, response, options, handle }).catch(() => response.destroy());
    },
  );
  server.maxConnections = 128;
  return {
    server,
    answer(requests) {
      handle = createHandler(requests);
    },
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly options: PeerServerOptions;
  readonly handle: Handler | null;
}

async function serve({ request, response, options, handle }: Exchange): Promise<void> {
  const nonce = header(request, NONCE_HEADER) ?? "";
  const reply = await replyTo({ request, response, options, handle }, nonce);
  if (response.destroyed) return;
  const body = JSON.stringify(reply.body);
  response.writeHead(reply.status, {
    "content-type": "application/json",
    ...(reply.key === null
      ? { connection: "close" }
      : { [SIGNATURE_HEADER]: signAnswer(reply.key, { nonce, status: reply.status, body }) }),
  });
  response.end(body);
}

async function replyTo(exchange: Exchange, nonce: string): Promise<SignedReply> {
  const { request, options, handle } = exchange;
  const signature = header(request, SIGNATURE_HEADER);
  if (request.method !== "POST" || nonce === "" || signature === undefined) return REFUSED;
  const body = await readBody(request);
  if (body === null) return REFUSED;
  const path = request.url ?? "";
  const signed = { path, to: options.member, nonce, body };
  const key = options.keys().find((one) => isSignature(signRequest(one, signed), signature));
  if (!key) return REFUSED;
  if (!handle) return { status: 503, body: { error: "this member is starting" }, key };
  try {
    return { ...(await handle(path, body, key)), key };
  } catch (error) {
    return { status: 500, body: { error: String(error) }, key };
  }
}

/** `key`: the one that the request is signed with. */
type Handler = (path: string, body: string, key: Buffer) => Promise<Reply>;

function createHandler(requests: PeerRequests): Handler {
  const isNewRound = createRoundGate();
  const isNewNotice = createRoundGate();
  let lastHintMs = -Infinity;
  const promise = async (body: string): Promise<Reply> => {
    const asked = readPromiseRequest(body);
    if (!asked) return { status: 400, body: { error: "not a promise request" } };
    if (!isNewRound(asked.holder, asked.round)) {
      return { status: 200, body: { yes: false, reason: "this round was asked before" } };
    }
    const answer = await requests.promise(asked);
    return answer
      ? { status: 200, body: answer }
      : { status: 503, body: { error: "no decision in time" } };
  };
  const hint = (): Reply => {
    const now = performance.now();
    if (now - lastHintMs >= HINT_INTERVAL_MS) {
      lastHintMs = now;
      requests.hint();
    }
    return { status: 200, body: {} };
  };
  const offset = async (body: string): Promise<Reply> => {
    const handover = readHandoverQuestion(body);
    if (handover === undefined) return { status: 400, body: { error: "not such a question" } };
    return { status: 200, body: await requests.offset(handover) };
  };
  const changing = (body: string): Reply => {
    const notice = readChangeNotice(body);
    if (!notice) return { status: 400, body: { error: "not a notice of a change" } };
    const { from, round, ...change } = notice;
    if (isNewNotice(from, round)) requests.changing(change);
    return { status: 200, body: {} };
  };
  return async (path, body, key) => {
    if (path === PATHS.report) return { status: 200, body: await requests.report() };
    if (path === PATHS.offset) return offset(body);
    if (path === PATHS.credentials) {
      return { status: 200, body: sealCredentials(requests.credentials(), key) };
    }
    if (path === PATHS.hint) return hint();
    if (path === PATHS.changing) return changing(body);
    if (path === PATHS.promise) return promise(body);
    return { status: 404, body: { error: `no such path: ${path}` } };
  };
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}

/** Null: longer than the limit, or broken off. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > BODY_LIMIT_BYTES) return null;
      chunks.push(chunk);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks).toString("utf8");
}
