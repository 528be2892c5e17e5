/**
 * A data volume: what a Redis left behind, and the member's record file.
 *
 * Model: AOF `everysec`. Bytes are in the page cache before the write is answered, so the death
 * of a process loses nothing; a power loss loses what was not fsynced, 1..2 s. An AOF restart
 * forgets the replid. RDB keeps replid and offset of its instant. Mode none keeps nothing.
 */
import type { MemberRecord, PersistenceMode } from "@leasehold/replication";
import type { Random } from "../../random.ts";
import { emptyPoint, type Point } from "./history.ts";

export interface Snapshot {
  readonly head: Point;
  readonly replid: string;
  readonly offset: number;
}

export interface BootImage extends Snapshot {
  /** True if replid and offset describe the data, so that a partial resync may be asked for. */
  readonly psyncable: boolean;
}

export class Volume {
  readonly mode: PersistenceMode;
  /** As the next process of the sidecar would read it. */
  record: MemberRecord | null = null;
  /** What a power loss leaves of it. */
  durableRecord: MemberRecord | null = null;
  private aof: Point | null = null;
  private syncedAof: Point | null = null;
  private lastSyncMs = 0;
  private lastAppendMs = 0;
  private snapshot: Snapshot | null = null;

  constructor(mode: PersistenceMode) {
    this.mode = mode;
  }

  appended(head: Point, nowMs: number): void {
    if (this.mode !== "aof") return;
    if (nowMs - this.lastSyncMs >= 1_000) {
      this.syncedAof = this.aof;
      this.lastSyncMs = nowMs;
    }
    this.aof = head;
    this.lastAppendMs = nowMs;
  }

  /** A rewrite ended, or a clean stop: all of `head` is on disk. */
  persisted(snapshot: Snapshot): void {
    if (this.mode === "aof") {
      this.aof = snapshot.head;
      this.syncedAof = snapshot.head;
    }
    if (this.mode === "rdb") this.snapshot = snapshot;
  }

  saveSnapshot(snapshot: Snapshot): void {
    if (this.mode === "rdb") this.snapshot = snapshot;
  }

  losePower(nowMs: number, random: Random): void {
    this.record = random.chance(0.5) ? this.durableRecord : this.record;
    this.durableRecord = this.record;
    if (nowMs - this.lastAppendMs < 1_000) this.aof = this.syncedAof;
    this.syncedAof = this.aof;
  }

  /** Only the data goes; `record` too if the whole volume is lost. */
  wipe(withRecord: boolean): void {
    this.aof = null;
    this.syncedAof = null;
    this.snapshot = null;
    if (!withRecord) return;
    this.record = null;
    this.durableRecord = null;
  }

  /** Puts data of another group there, as a wrong restore does. */
  plant(snapshot: Snapshot): void {
    this.aof = snapshot.head;
    this.syncedAof = snapshot.head;
    this.snapshot = snapshot;
  }

  /** What a Redis that starts now would hold. */
  image(random: Random, offsetOfRestartedAof: number): BootImage {
    if (this.mode === "rdb" && this.snapshot !== null) {
      return { ...this.snapshot, psyncable: true };
    }
    const replid = random.hex(12);
    if (this.mode !== "aof" || this.aof === null) {
      return { head: emptyPoint(), replid, offset: 0, psyncable: false };
    }
    return { head: this.aof, replid, offset: offsetOfRestartedAof, psyncable: false };
  }

  /** The data on disk, for those who judge a run. */
  get data(): Point | null {
    if (this.mode === "rdb") return this.snapshot?.head ?? null;
    return this.mode === "aof" ? this.aof : null;
  }

  copy(): Volume {
    const twin = new Volume(this.mode);
    twin.record = this.record;
    twin.durableRecord = this.record;
    twin.aof = this.aof;
    twin.syncedAof = this.aof;
    twin.snapshot = this.snapshot;
    return twin;
  }
}
