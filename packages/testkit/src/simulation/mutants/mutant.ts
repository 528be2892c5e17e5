/** What a mutant is: a rule of the protocol, and the edits that break it. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  /** Section of docs/protocol.md, and the interleaving behind the rule. */
  readonly rule: string;
  /** The kind of trouble that makes it likely. */
  readonly profile: string;
  /** Among the few that every check runs. */
  readonly isQuick?: boolean;
  readonly edits: readonly Edit[];
}

export const SIMULATION = "testkit/src/simulation/";
