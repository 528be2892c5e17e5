/**
 * What the API server holds of one group, with its compare-and-swap.
 *
 * Measured on a real one (1.36): a PUT with an old resourceVersion answers 409, but to a deleted
 * Lease a PUT *without* uid creates it anew; an equal body does not move the resourceVersion.
 */
import type {
  LeaseReadOutcome,
  LeaseRecord,
  LeaseWriteOutcome,
  VersionedLease,
} from "@leasehold/election";
import type {
  ControlObservation,
  PodObservation,
  PodsObservation,
  SliceObservation,
  SliceOutcome,
  SliceWrite,
} from "@leasehold/replication";

export type ObjectKind = "lease" | "slice" | "pods" | "control";

/** What a watch delivers: the object as it was when the change happened. */
export type WatchEvent =
  | { readonly kind: "lease"; readonly lease: VersionedLease | null }
  | { readonly kind: "slice"; readonly slice: SliceObservation }
  | { readonly kind: "pods"; readonly pods: PodsObservation }
  | { readonly kind: "control"; readonly control: ControlObservation };

export interface StoreJudge {
  leaseCommitted(record: LeaseRecord, byHand: boolean): void;
  leaseDeleted(): void;
  /** A PUT created it: the body had no uid. */
  leaseCreatedByPut(): void;
  sliceCommitted(slice: SliceObservation, byHand: boolean): void;
  sliceDeleted(): void;
}

/** Body of a Lease PUT as it is on the wire. */
export interface LeasePut {
  /** Null: not in the body. */
  readonly uid: string | null;
  readonly resourceVersion: string;
  readonly record: LeaseRecord;
}

export class ApiStore {
  lease: VersionedLease | null = null;
  slice: SliceObservation | null = null;
  replicas = 0;
  updateRevision = "rev-1";
  control: ControlObservation = { paused: false, pauseSpan: null, request: null, forgotten: [] };
  readonly pods = new Map<string, PodObservation>();
  /** Older bodies of the Lease, for operators who restore them. */
  readonly oldLeases: LeaseRecord[] = [];
  private version = 100;
  private readonly judge: StoreJudge;
  private readonly changed: (kind: ObjectKind) => void;

  constructor(judge: StoreJudge, changed: (kind: ObjectKind) => void) {
    this.judge = judge;
    this.changed = changed;
  }

  getLease(): LeaseReadOutcome {
    return this.lease === null ? { kind: "missing" } : { kind: "present", lease: this.lease };
  }

  putLease(put: LeasePut): LeaseWriteOutcome {
    const { lease } = this;
    if (lease === null) {
      if (put.uid !== null) return { kind: "conflict" };
      this.judge.leaseCreatedByPut();
      return { kind: "committed", lease: this.storeLease(this.newUid(), put.record, false) };
    }
    const isOtherObject = put.uid !== null && put.uid !== lease.uid;
    if (isOtherObject || put.resourceVersion !== lease.resourceVersion) return { kind: "conflict" };
    if (JSON.stringify(put.record) === JSON.stringify(lease.record)) {
      return { kind: "committed", lease };
    }
    return { kind: "committed", lease: this.storeLease(lease.uid, put.record, false) };
  }

  postLease(record: LeaseRecord): LeaseWriteOutcome {
    if (this.lease !== null) return { kind: "conflict" };
    return { kind: "committed", lease: this.storeLease(this.newUid(), record, false) };
  }

  /** `kubectl edit`, `kubectl replace`, a backup's restore. */
  editLease(record: LeaseRecord): void {
    this.storeLease(this.lease?.uid ?? this.newUid(), record, true);
  }

  deleteLease(): void {
    this.lease = null;
    this.version += 1;
    this.judge.leaseDeleted();
    this.changed("lease");
  }

  getSlice(): SliceObservation {
    return this.slice ?? { version: null, epoch: 0, holder: null, lineage: [], address: null };
  }

  writeSlice(write: SliceWrite): SliceOutcome {
    const current = this.slice?.version ?? null;
    if (current !== write.version) return { kind: "conflict" };
    const { epoch, holder, lineage, address } = write;
    return {
      kind: "committed",
      slice: this.storeSlice({ epoch, holder, lineage, address }, false),
    };
  }

  editSlice(slice: Omit<SliceObservation, "version"> | null): void {
    if (slice !== null) {
      this.storeSlice(slice, true);
      return;
    }
    this.slice = null;
    this.judge.sliceDeleted();
    this.version += 1;
    this.changed("slice");
  }

  getPods(): PodsObservation {
    return {
      pods: [...this.pods.values()],
      replicas: this.replicas,
      updateRevision: this.updateRevision,
    };
  }

  setPod(pod: PodObservation): void {
    this.pods.set(pod.uid, pod);
    this.changed("pods");
  }

  removePod(uid: string): void {
    if (this.pods.delete(uid)) this.changed("pods");
  }

  setReplicas(replicas: number): void {
    this.replicas = replicas;
    this.changed("pods");
  }

  observe(kind: ObjectKind): WatchEvent {
    switch (kind) {
      case "lease":
        return { kind, lease: this.lease };
      case "slice":
        return { kind, slice: this.getSlice() };
      case "pods":
        return { kind, pods: this.getPods() };
      case "control":
        return { kind, control: this.control };
    }
  }

  setControl(control: ControlObservation): void {
    this.control = control;
    this.changed("control");
  }

  private storeLease(uid: string, record: LeaseRecord, byHand: boolean): VersionedLease {
    this.version += 1;
    if (this.lease !== null) this.oldLeases.push(this.lease.record);
    if (this.oldLeases.length > 40) this.oldLeases.shift();
    this.lease = { uid, resourceVersion: String(this.version), record };
    this.judge.leaseCommitted(record, byHand);
    this.changed("lease");
    return this.lease;
  }

  private storeSlice(slice: Omit<SliceObservation, "version">, byHand: boolean): SliceObservation {
    this.version += 1;
    this.slice = { ...slice, version: String(this.version) };
    this.judge.sliceCommitted(this.slice, byHand);
    this.changed("slice");
    return this.slice;
  }

  private newUid(): string {
    this.version += 1;
    return `uid-${this.version}`;
  }
}
