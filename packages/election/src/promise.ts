/** What members ask of one another while the API is away (docs/protocol.md, section 7). */
import type { Epoch, Identity, LineageEntry, MemberName } from "./record.ts";

export interface PromiseRequest {
  readonly holder: Identity;
  readonly epoch: Epoch;
  /** Grows with every round of the asking process. */
  readonly round: number;
  readonly lineage: readonly LineageEntry[];
  /** Everyone asked in this round: who is not in it must say no. */
  readonly asked: readonly MemberName[];
  readonly durationMs: number;
  /** False: "would you?", which changes nothing. */
  readonly binding: boolean;
}

export interface PromiseAnswer {
  readonly yes: boolean;
  readonly reason: string;
}
