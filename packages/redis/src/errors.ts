/**
 * What Redis' errors mean to us, by their first word, and what a person can do about them.
 *
 * An error reply is an answer: it proves that the process lives and has refused this command.
 */

export type Refusal =
  /** A script or function runs beyond `busy-reply-threshold`. */
  | "busy"
  /** It reads its file; changes of role are refused until it has. */
  | "loading"
  /** Our user may not do this, or is not let in. */
  | "denied"
  /** All else: MASTERDOWN, EXECABORT, ERR … */
  | "refused";

export function classifyRefusal(message: string): Refusal {
  const [word] = message.split(" ", 1);
  switch (word) {
    case "BUSY":
      return "busy";
    case "LOADING":
      return "loading";
    case "NOAUTH":
    case "WRONGPASS":
    case "NOPERM":
    case "DENIED":
      return "denied";
    default:
      return "refused";
  }
}

/** The refusal with what to do next; Redis' own words alone where those say enough. */
export function explainRefusal(message: string, user: string): string {
  const [word] = message.split(" ", 1);
  switch (word) {
    case "NOAUTH":
      return `${message} (the sidecar has no password: give it the one of user ${user})`;
    case "WRONGPASS":
      return `${message} (compare the sidecar's password of user ${user} with Redis' ACL)`;
    case "NOPERM":
      return `${message} (give user ${user} this command in Redis' ACL)`;
    case "DENIED":
      return `${message} (set a password, or connect by the unix socket)`;
    case "BUSY":
      return `${message} (a script runs too long; SCRIPT KILL ends it if it has not written)`;
    default:
      return message;
  }
}

/** The system's words for "no process listens here". */
const NOBODY_LISTENS = new Set(["ECONNREFUSED", "ENOENT"]);

export function nobodyListens(error: unknown): boolean {
  return NOBODY_LISTENS.has(codeOf(error));
}

/** OpenSSL's and Node's words for a certificate that we do not trust: somebody is there. */
export function distrustsCertificate(error: unknown): boolean {
  return /CERT|^UNABLE_TO_|^ERR_TLS/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}

export function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== "" ? error.message : String(error);
}
