/**
 * kube-proxy of one client node: follows the slice, and synchronises at most once a second. In a
 * busy cluster other Services start syncs too, and ours has to wait for the rest of that second.
 */
import type { RedisAddress } from "@leasehold/replication";
import type { WatchEvent } from "../api/store.ts";
import type { World } from "../world.ts";

const MIN_SYNC_PERIOD_MS = 1_000;

export class Proxy {
  target: RedisAddress | null = null;
  private readonly world: World;
  private wanted: RedisAddress | null = null;
  private lastSyncMs = -MIN_SYNC_PERIOD_MS;
  private isDue = false;

  constructor(world: World, address: number) {
    this.world = world;
    world.api.watch(address, { changed: (event) => this.changed(event) });
    if (world.options.busyCluster) this.othersChange();
  }

  private changed(event: WatchEvent): void {
    if (event.kind !== "slice") return;
    this.wanted = event.slice.address;
    this.schedule();
  }

  private schedule(): void {
    if (this.isDue) return;
    this.isDue = true;
    const { clock } = this.world;
    const waitMs = Math.max(0, this.lastSyncMs + MIN_SYNC_PERIOD_MS - clock.nowMs);
    clock.after(waitMs, () => this.sync());
  }

  private sync(): void {
    this.isDue = false;
    this.lastSyncMs = this.world.clock.nowMs;
    const { wanted } = this;
    this.world.clock.after(this.world.random.between(30, 75), () => {
      this.target = wanted;
    });
  }

  private othersChange(): void {
    this.schedule();
    this.world.clock.after(this.world.random.between(300, 2_500), () => this.othersChange());
  }
}
