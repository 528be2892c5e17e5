/** Reads answers: bounded, as JSON, with the one header that matters. */
import type { IncomingMessage } from "node:http";
import { asApiObject, isRecord } from "./object.ts";
import type { ApiObject } from "./object.ts";

export type ApiAnswer =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly body: unknown;
      readonly retryAfterMs: number | null;
    }
  /** No answer, or none that could be read. Whether the server acted is unknown. */
  | { readonly kind: "failed"; readonly message: string };

export const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const MAX_MESSAGE_LENGTH = 300;

/** Rejects if the answer breaks off, is too long, or is a success without JSON. */
export async function readAnswer(response: IncomingMessage): Promise<ApiAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error("the answer is too long");
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  const body = parseJson(text);
  const status = response.statusCode ?? 0;
  if (body === undefined && status < 300) throw new Error("the answer is not JSON");
  return { kind: "answered", status, body: body ?? text, retryAfterMs: retryAfterMsOf(response) };
}

/** The stored object in an answer with exactly this code; null for everything else. */
export function objectIn(answer: ApiAnswer, status: number): ApiObject | null {
  return answer.kind === "answered" && answer.status === status ? asApiObject(answer.body) : null;
}

/** The words of a `Status` body, or of whatever else was answered, cut to a readable length. */
export function messageOf(body: unknown): string {
  const message = isRecord(body) && "message" in body ? body["message"] : body;
  const text = typeof message === "string" ? message : JSON.stringify(message);
  return (text ?? "no message").slice(0, MAX_MESSAGE_LENGTH);
}

/** One answer in words, for logs and outcomes. */
export function wordsOfAnswer(answer: ApiAnswer): string {
  return answer.kind === "failed" ? answer.message : `${answer.status}: ${messageOf(answer.body)}`;
}

export function wordsOfError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ("code" in error ? String(error.code) : error.name);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function retryAfterMsOf(response: IncomingMessage): number | null {
  const seconds = Number(response.headers["retry-after"] ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
}
