/**
 * A Redis as a replica: connects to its upstream, asks for the rest or for everything, loses its
 * link and tries again: at once after a loss, at the next turn of its own second after a refusal.
 */
import type { RedisAddress } from "@leasehold/replication";
import { emptyPoint } from "./history.ts";
import { ReplicaLink } from "./link.ts";
import type { RedisServer } from "./server.ts";
import type { Snapshot } from "./volume.ts";

const CRON_MS = 1_000;
const GATE_PORT = 1;
export const GATE: RedisAddress = { host: "127.0.0.1", port: GATE_PORT };

export class Follower {
  link: ReplicaLink | null = null;
  upstream: RedisAddress | null = GATE;
  private readonly server: RedisServer;
  private readonly cronPhaseMs: number;
  /** Older tries find another number here and give up. */
  private attempt = 0;

  constructor(server: RedisServer) {
    this.server = server;
    this.cronPhaseMs = server.world.random.between(0, CRON_MS);
  }

  get isLinkUp(): boolean {
    return this.link?.state === "up";
  }

  isFollowing({ host, port }: RedisAddress): boolean {
    return this.upstream?.host === host && this.upstream.port === port;
  }

  follow(upstream: RedisAddress): void {
    this.upstream = upstream;
    this.connect();
  }

  /** No replica any more, or dead. */
  stop(): void {
    this.attempt += 1;
    this.link?.drop();
    this.link = null;
  }

  connect(): void {
    this.attempt += 1;
    const { attempt, upstream, server } = this;
    const { world } = server;
    if (upstream === null || upstream.port === GATE_PORT) return;
    const peer = world.redisAt(upstream.host, server);
    const here = server.site.machine.address;
    if (peer === null || !world.network.isLinked(here, peer.site.machine.address)) {
      this.connectLater();
      return;
    }
    world.clock.after(world.network.latencyMs(here, peer.site.machine.address), () => {
      if (attempt !== this.attempt || !server.alive || this.link !== null) return;
      if (!peer.alive) {
        this.connectLater();
        return;
      }
      const link = new ReplicaLink(peer, server);
      this.link = link;
      peer.submit(null, () => peer.psync(link));
    });
  }

  private connectLater(): void {
    const { attempt } = this;
    const { clock } = this.server.world;
    const sinceMs = (clock.nowMs + CRON_MS - this.cronPhaseMs) % CRON_MS;
    clock.after(CRON_MS - sinceMs, () => {
      if (attempt !== this.attempt || !this.server.alive || this.link !== null) return;
      this.connect();
    });
  }

  /** LOADING or NOMASTERLINK. */
  linkRefused(link: ReplicaLink): void {
    if (this.link !== link) return;
    this.link = null;
    this.connectLater();
  }

  linkLost(link: ReplicaLink): void {
    if (this.link !== link) return;
    this.link = null;
    if (this.server.alive && !this.server.loading) this.connect();
  }

  /** Flushes, and loads what the upstream sent. */
  load(snapshot: Snapshot, link: ReplicaLink): void {
    const { server } = this;
    server.loading = true;
    server.disconnectReplicas();
    server.dropBacklog();
    server.head = emptyPoint(snapshot.offset);
    server.site.volume.saveSnapshot(snapshot);
    server.world.judge.fullSync(server, link.upstream);
    server.world.clock.after(server.world.options.loadMs, () => this.loaded(snapshot, link));
  }

  private loaded(snapshot: Snapshot, link: ReplicaLink): void {
    const { server } = this;
    if (!server.alive) return;
    if (!server.isRunning()) {
      server.world.clock.after(CRON_MS / 20, () => this.loaded(snapshot, link));
      return;
    }
    server.loading = false;
    server.adopt(snapshot);
    if (this.link === link && link.state === "transfer") link.loaded(snapshot);
    else this.connect();
  }
}
