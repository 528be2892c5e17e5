/**
 * Asks other members, over kept-alive connections.
 *
 * Guarantees: each call ends within its time-out and never throws; an answer without the right
 * signature is no answer. Does not repeat anything.
 */
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import type { PromiseAnswer, PromiseRequest } from "@leasehold/election";
import type { MemberReport, Peer } from "@leasehold/replication";
import { BODY_LIMIT_BYTES, PATHS, readOffset, readPromiseAnswer, readReport } from "./messages.ts";
import {
  drawNonce,
  isSignature,
  NONCE_HEADER,
  signAnswer,
  SIGNATURE_HEADER,
  signRequest,
} from "./signature.ts";

export interface PeerClient {
  report(peer: Peer, timeoutMs: number): Promise<MemberReport | null>;
  promise(peer: Peer, request: PromiseRequest, timeoutMs: number): Promise<PromiseAnswer | null>;
  hint(peer: Peer, timeoutMs: number): Promise<void>;
  /** Null: no answer in time, or its Redis does not answer. */
  offset(peer: Peer, timeoutMs: number): Promise<number | null>;
  close(): void;
}

export interface PeerClientOptions {
  readonly key: Buffer;
  /** Address to call from; undefined: the system chooses. */
  readonly localAddress: string | undefined;
}

export function createPeerClient(options: PeerClientOptions): PeerClient {
  const agent = new Agent({ keepAlive: true, keepAliveMsecs: 1_000, maxSockets: 4 });
  const ask = (peer: Peer, call: Call): Promise<string | null> =>
    askPeer({ peer, call, agent, options });
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
    async offset(peer, timeoutMs) {
      const answer = await ask(peer, { path: PATHS.offset, body: "{}", timeoutMs });
      return answer === null ? null : readOffset(answer);
    },
    close: () => agent.destroy(),
  };
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
  readonly options: PeerClientOptions;
}

/** The body of a signed 200, else null. */
function askPeer({ peer, call, agent, options }: Question): Promise<string | null> {
  const { path, body, timeoutMs } = call;
  const nonce = drawNonce();
  const signature = signRequest(options.key, { path, to: peer.member, nonce, body });
  return new Promise((resolve) => {
    const request = httpRequest({
      agent,
      host: peer.host,
      port: peer.peerPort,
      path,
      method: "POST",
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        [NONCE_HEADER]: nonce,
        [SIGNATURE_HEADER]: signature,
      },
    });
    const timer = setTimeout(() => request.destroy(), timeoutMs);
    const settle = (answer: string | null): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    request.once("error", () => settle(null));
    // With an answer under way the end of the request says nothing: the reading settles.
    const closed = (): void => settle(null);
    request.once("close", closed);
    request.once("response", (response) => {
      request.removeListener("close", closed);
      void readGenuine(response, { key: options.key, nonce }).then(settle, () => settle(null));
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
async function readGenuine(response: IncomingMessage, proof: Proof): Promise<string | null> {
  const body = await readAnswer(response);
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
