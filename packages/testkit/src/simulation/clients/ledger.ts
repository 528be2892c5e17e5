/** Every write of a run: where it was accepted, under which replid, and whether a client knows. */
import type { WritePlace } from "../redis/history.ts";
import type { RedisServer } from "../redis/server.ts";

export interface LedgerWrite {
  readonly id: number;
  /** Through the write Service's address, or to a pod's own. */
  readonly via: "address" | "direct";
  server: RedisServer | null;
  place: WritePlace | null;
  replid: string;
  acceptedMs: number;
  /** The client has its OK; -1: it has not. */
  acknowledgedMs: number;
  /** Copies that `WAIT` counted, without the primary. */
  copies: number;
  /** Reported as lost already. */
  isLost: boolean;
  /** Let in by a thawed Redis beside another holder: a tail that docs/protocol.md, 9, drops. */
  isTail: boolean;
}

export interface Acceptance {
  readonly nowMs: number;
  readonly isTail: boolean;
}

export class Ledger {
  readonly writes: LedgerWrite[] = [];

  open(via: "address" | "direct"): LedgerWrite {
    const write: LedgerWrite = {
      id: this.writes.length,
      via,
      server: null,
      place: null,
      replid: "",
      acceptedMs: -1,
      acknowledgedMs: -1,
      copies: 0,
      isLost: false,
      isTail: false,
    };
    this.writes.push(write);
    return write;
  }

  accepted(id: number, server: RedisServer, { nowMs, isTail }: Acceptance): void {
    const write = this.writes[id];
    if (write === undefined) return;
    write.isTail = isTail;
    write.server = server;
    write.place = { segment: server.head.segment, index: server.head.length - 1 };
    write.replid = server.replid;
    write.acceptedMs = nowMs;
  }
}
