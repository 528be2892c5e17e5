/** How a command ends: one closed list of exit codes, and the error that carries one. */

export const EXIT = {
  done: 0,
  unexpected: 1,
  usage: 2,
  /** Nothing was changed. */
  refused: 3,
  /** No answer in time: the request may or may not have been fulfilled. */
  unknown: 4,
  /** `status --check`. */
  unhealthy: 5,
  /** The Kubernetes API cannot be reached, or forbids what is needed. */
  unreachable: 6,
  interrupted: 130,
} as const;

export type Exit = keyof typeof EXIT;

/** What each code says to people; docs/cli.md shows it. */
export const EXIT_MEANING: Readonly<Record<Exit, string>> = {
  done: "done",
  unexpected: "unexpected: a broken promise in the demo, or an error of this program",
  usage: "the command line, or a name in it, is wrong",
  refused: "refused, nothing was changed: nobody can take over, another request is pending",
  unknown: "no answer before the timeout, or an undone hand-over: `status` tells what holds",
  unhealthy: "`status --check`: the group is not healthy",
  unreachable: "the Kubernetes API cannot be reached, or forbids it; the missing right is named",
  interrupted: "interrupted; a request that was still pending was withdrawn",
};

/** Ends the command with this code; the message goes to stderr and names the next step. */
export class CommandError extends Error {
  readonly exit: Exit;

  constructor(exit: Exit, message: string) {
    super(message);
    this.exit = exit;
  }
}
