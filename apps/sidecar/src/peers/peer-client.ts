/**
 * Asks other members, over kept-alive connections.
 *
 * Guarantees: each call ends within its time-out and never throws; an answer without the right
 * signature is no answer. Does not repeat anything.
 */
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import type { HandoverQuestion, PromiseAnswer, PromiseRequest } from "@leasehold/election";
import type { MemberReport, Peer } from "@leasehold/replication";
import type { OffsetReply } from "../await-offset.ts";
import {
  BODY_LIMIT_BYTES,
  PATHS,
  readCredentialsAnswer,
  readOffset,
  readPromiseAnswer,
  readReport,
  type CredentialsAnswer,
  type MemberNotice,
} from "./messages.ts";
import {
  drawNonce,
  isSignature,
  NONCE_HEADER,
  signAnswer,
  SIGNATURE_HEADER,
  signRequest,
} from "./signature.ts";

const REMEMBERED = 16;

export interface PeerClient {
  report(peer: Peer, timeoutMs: number): Promise<MemberReport | null>;
  promise(peer: Peer, request: PromiseRequest, timeoutMs: number): Promise<PromiseAnswer | null>;
  hint(peer: Peer, timeoutMs: number): Promise<void>;
  /** That our lead is about to change. Who does not know the question is not told. */
  changing(peer: Peer, notice: MemberNotice, timeoutMs: number): Promise<void>;
  /** Null: no answer in time, or its Redis does not answer. */
  /** Does it accept this hand-over in advance, too? Null: that is not asked. */
  offset(
    peer: Peer,
    handover: HandoverQuestion | null,
    timeoutMs: number,
  ): Promise<OffsetReply | null>;
  /** `refused`: whoever is there knows none of our keys. */
  credentials(peer: Peer, timeoutMs: number): Promise<CredentialsAnswer | "refused" | null>;
  close(): void;
}

export interface PeerClientOptions {
  /** Newest first; an older one is tried where the newest is not known yet. */
  readonly keys: () => readonly Buffer[];
  /** Address to call from; undefined: the system chooses. */
  readonly localAddress: string | undefined;
}

export function createPeerClient(options: PeerClientOptions): PeerClient {
  const agent = new Agent({ keepAlive: true, keepAliveMsecs: 1_000, maxSockets: 4 });
  const { keys, localAddress } = options;
  const understood = createKeyMemory();
  const askWithAnyKey = async (peer: Peer, call: Call): Promise<Keyed | typeof REFUSED | null> => {
    const endAtMs = performance.now() + call.timeoutMs;
    for (const key of understood.order(peer.member, keys())) {
      const timeoutMs = endAtMs - performance.now();
      const answer = await askPeer({
        peer,
        call: { ...call, timeoutMs },
        agent,
        key,
        localAddress,
      });
      if (answer === REFUSED) continue;
      if (answer === null) return null;
      understood.note(peer.member, key);
      return { body: answer, key };
    }
    return REFUSED;
  };
  const ask = async (peer: Peer, call: Call): Promise<string | null> => {
    const answer = await askWithAnyKey(peer, call);
    return answer === REFUSED ? null : (answer?.body ?? null);
  };
  return {
    async report(peer, timeoutMs) {
      const answer = await ask(peer, { path: PATHS.report, body: "{}", timeoutMs });
      const report = answer === null ? null : readReport(answer);
      // Another member at a recycled address is not the one that was asked.
      return report?.member === peer.member ? report : null;
    },
    async promise(peer, request, timeoutMs) {
      const body = JSON.stringify(request);
      const answer = await ask(peer, { path: PATHS.promise, body, timeoutMs });
      return answer === null ? null : readPromiseAnswer(answer);
    },
    async hint(peer, timeoutMs) {
      await ask(peer, { path: PATHS.hint, body: "{}", timeoutMs });
    },
    async changing(peer, notice, timeoutMs) {
      await ask(peer, { path: PATHS.changing, body: JSON.stringify(notice), timeoutMs });
    },
    async offset(peer, handover, timeoutMs) {
      const body = JSON.stringify({ handover });
      const answer = await ask(peer, { path: PATHS.offset, body, timeoutMs });
      return answer === null ? null : readOffset(answer);
    },
    async credentials(peer, timeoutMs) {
      const answer = await askWithAnyKey(peer, { path: PATHS.credentials, body: "{}", timeoutMs });
      if (answer === REFUSED) return "refused";
      return answer && readCredentialsAnswer(answer.body, answer.key);
    },
    close: () => agent.destroy(),
  };
}

/**
 * Which key each member understood last: it is tried first, since every refusal costs a
 * connection. Bounded by the members that a group may have.
 */
function createKeyMemory(): {
  order(member: string, keys: readonly Buffer[]): readonly Buffer[];
  note(member: string, key: Buffer): void;
} {
  const last = new Map<string, Buffer>();
  return {
    order(member, keys) {
      const known = last.get(member);
      const first = keys.filter((key) => known?.equals(key));
      return [...first, ...keys.filter((key) => !known?.equals(key))];
    },
    note(member, key) {
      last.delete(member);
      last.set(member, key);
      const [oldest] = last.keys();
      if (last.size > REMEMBERED && oldest !== undefined) last.delete(oldest);
    },
  };
}

interface Keyed {
  readonly body: string;
  /** The one that it is signed with. */
  readonly key: Buffer;
}

interface Call {
  readonly path: string;
  readonly body: string;
  readonly timeoutMs: number;
}

interface Question {
  readonly peer: Peer;
  readonly call: Call;
  readonly agent: Agent;
  readonly key: Buffer;
  readonly localAddress: string | undefined;
}

/** Not acted on by the member: it does not know the key. Whoever forges this gains nothing. */
const REFUSED = Symbol("refused");

/** The body of a signed 200, else null. */
function askPeer(question: Question): Promise<string | typeof REFUSED | null> {
  const { peer, call, agent, key, localAddress } = question;
  const { path, body, timeoutMs } = call;
  const nonce = drawNonce();
  const signature = signRequest(key, { path, to: peer.member, nonce, body });
  return new Promise((resolve) => {
    const request = httpRequest({
      agent,
      host: peer.host,
      port: peer.peerPort,
      path,
      method: "POST",
      ...(localAddress === undefined ? {} : { localAddress }),
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        [NONCE_HEADER]: nonce,
        [SIGNATURE_HEADER]: signature,
      },
    });
    const timer = setTimeout(() => request.destroy(), timeoutMs);
    const settle = (answer: string | typeof REFUSED | null): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    request.once("error", () => settle(null));
    // With an answer under way the end of the request says nothing: the reading settles.
    const closed = (): void => settle(null);
    request.once("close", closed);
    request.once("response", (response) => {
      request.removeListener("close", closed);
      void readGenuine(response, { key, nonce }).then(settle, () => settle(null));
    });
    request.end(body);
  });
}

interface Proof {
  readonly key: Buffer;
  /** Of the request. */
  readonly nonce: string;
}

/** The body, if it is signed for this request and says 200. */
async function readGenuine(
  response: IncomingMessage,
  proof: Proof,
): Promise<string | typeof REFUSED | null> {
  const body = await readAnswer(response);
  if (response.statusCode === 401) return REFUSED;
  if (body === null) return null;
  const expected = signAnswer(proof.key, { nonce: proof.nonce, status: 200, body });
  const given = response.headers[SIGNATURE_HEADER];
  return isSignature(expected, typeof given === "string" ? given : undefined) ? body : null;
}

/** Null: too long, or broken off. */
async function readAnswer(response: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > BODY_LIMIT_BYTES) return null;
      chunks.push(chunk);
    }
  } catch {
    return null;
  }
  return Buffer.concat(chunks).toString("utf8");
}
