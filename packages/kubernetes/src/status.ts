/**
 * Which answers of the API server are definite. A code alone is not: a proxy on the way may
 * answer 404 or 409 in its own name, so a definite one must be a `Status` of the API server.
 */
import { isRecord, recordAt, textAt } from "./api/object.ts";
import type { ApiAnswer } from "./api/answer.ts";

/** The object of this name does not exist. */
export function saysMissing(answer: ApiAnswer, name: string): boolean {
  return isStatus(answer, 404) && textAt(recordAt(bodyOf(answer), "details"), "name") === name;
}

/** Refused: somebody else has written, or the object is another one or exists already. */
export function saysConflict(answer: ApiAnswer): boolean {
  return isStatus(answer, 409);
}

/** Refused: the object itself is wrong. */
export function saysInvalid(answer: ApiAnswer): boolean {
  return isStatus(answer, 422);
}

function isStatus(answer: ApiAnswer, code: number): boolean {
  const body = bodyOf(answer);
  return answer.kind === "answered" && answer.status === code && textAt(body, "kind") === "Status";
}

function bodyOf(answer: ApiAnswer): unknown {
  return answer.kind === "answered" && isRecord(answer.body) ? answer.body : null;
}
