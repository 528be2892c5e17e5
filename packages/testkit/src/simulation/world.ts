/**
 * Everything of one run, and who finds whom in it.
 *
 * One seed, one run: all chance comes from the seed's own streams, all time from the virtual
 * clock. Nothing here may use promises, timers, `Date` or `Math.random`.
 */
import type { MemberConfig, Action, MemberEvent } from "@leasehold/replication";
import type { Random } from "../random.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { ApiServer } from "./api/server.ts";
import { ApiStore } from "./api/store.ts";
import { Judge } from "./checkers/judge.ts";
import { Ledger } from "./clients/ledger.ts";
import { Proxy } from "./clients/proxy.ts";
import { Writer } from "./clients/writer.ts";
import { FaultLog } from "./faults/fault-log.ts";
import type { Trap } from "./faults/trap-faults.ts";
import { Machine } from "./machine.ts";
import { Network } from "./network.ts";
import type { WorldOptions } from "./options.ts";
import { Kubelet } from "./pod/kubelet.ts";
import type { Pod } from "./pod/pod.ts";
import type { Sidecar } from "./pod/sidecar.ts";
import type { RedisServer } from "./redis/server.ts";
import type { RedisWorld } from "./redis/types.ts";
import { Volume } from "./redis/volume.ts";
import { RELAY } from "./source/relay.ts";
import { Source } from "./source/source.ts";
import type { Timeline } from "./timeline.ts";

/** Network indices: 0 is the API, then the nodes, then the clients' nodes. */
const FIRST_CLIENT = 20;
const CLIENT_NODES = 2;
const SAMPLE_MS = 100;

export interface Violation {
  readonly checker: string;
  readonly promise: string;
  readonly words: string;
}

export class World implements RedisWorld {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly network: Network;
  readonly options: WorldOptions;
  readonly api: ApiServer;
  readonly store: ApiStore;
  readonly judge: Judge;
  readonly ledger = new Ledger();
  readonly faults = new FaultLog();
  readonly kubelet: Kubelet;
  readonly machines: Machine[] = [];
  /** Every pod there ever was; `gone` ones too. */
  readonly pods: Pod[] = [];
  readonly proxies: Proxy[] = [];
  readonly writers: Writer[] = [];
  readonly directWriters: Writer[] = [];
  readonly timeline: Timeline;
  memberConfig: MemberConfig;
  violation: Violation | null = null;
  /** Null: the group is not told of any. */
  source: Source | null = null;
  readonly traps = new Set<Trap>();
  /** Adds to each write of a record on these machines. */
  readonly slowDisks = new Map<Machine, number>();
  private hosts = 0;

  constructor(random: Random, options: WorldOptions, timeline: Timeline) {
    this.random = random;
    this.options = options;
    this.timeline = timeline;
    this.memberConfig = options.config;
    this.network = new Network(this.clock, random.fork());
    this.judge = new Judge(this);
    this.store = new ApiStore(this.judge, (kind) => this.api.notify(kind));
    this.api = new ApiServer(
      { clock: this.clock, random: random.fork(), network: this.network },
      (kind) => this.store.observe(kind),
    );
    this.kubelet = new Kubelet(this);
  }

  /** Nodes, pods, proxies and clients; one spare node for a twin or a further member. */
  populate(): void {
    const { options, random } = this;
    for (let i = 0; i <= options.members; i += 1) {
      this.machines.push(
        new Machine(
          this.clock,
          { name: `node-${i}`, address: i + 1 },
          {
            rate: 1 + random.between(-options.clockErrorMax, options.clockErrorMax),
            uptimeMs: random.between(10_000, 1_000_000),
          },
        ),
      );
    }
    this.store.replicas = options.members;
    for (let i = 0; i < options.members; i += 1) {
      const machine = this.machines[i] as Machine;
      this.clock.after(random.between(0, 800), () =>
        this.kubelet.createPod(i, machine, new Volume(options.mode)),
      );
    }
    for (let i = 0; i < CLIENT_NODES; i += 1) {
      this.proxies.push(new Proxy(this, FIRST_CLIENT + i));
    }
    this.addWriters();
    if (this.memberConfig.source !== null) this.source = new Source(this);
    this.sample();
  }

  redisAt(host: string, from?: RedisServer): RedisServer | null {
    if (host !== RELAY.host) return this.podAt(host)?.redis ?? null;
    const source = this.source?.redis ?? null;
    return from && source !== null && this.carries(source, from) ? source : null;
  }

  /** To the source leads a relay, in the sidecar of each member. */
  carries(upstream: RedisServer, replica: RedisServer): boolean {
    if (upstream.site !== this.source) return true;
    return this.podOf(replica).sidecar?.isRunning() ?? false;
  }

  /** Its process is gone, and its connections with it. */
  relayEnded(pod: Pod): void {
    const link = pod.redis?.link ?? null;
    if (link !== null && link.upstream.site === this.source) link.cut();
  }

  sidecarAt(host: string): Sidecar | null {
    return this.podAt(host)?.sidecar ?? null;
  }

  podAt(host: string): Pod | null {
    return this.pods.find((pod) => pod.host === host && !pod.gone) ?? null;
  }

  podOf(server: RedisServer): Pod {
    return server.site as Pod;
  }

  podOfIdentity(identity: string): Pod | null {
    const uid = identity.split("_")[1];
    return this.pods.find((pod) => pod.spec.uid === uid) ?? null;
  }

  podsOn(machine: Machine): Pod[] {
    return this.pods.filter((pod) => pod.machine === machine && !pod.gone);
  }

  /** The pods that the group consists of now. */
  livePods(): Pod[] {
    return this.pods.filter((pod) => !pod.gone && !pod.terminating);
  }

  memberName(ordinal: number): string {
    return `${this.options.config.group}-${ordinal}`;
  }

  newHost(): string {
    this.hosts += 1;
    return `10.0.0.${this.hosts}`;
  }

  offsetOfRestartedAof(): number {
    return this.options.restartedAofKeepsOffset ? this.random.whole(1, 50_000) : 0;
  }

  diskDelayMs(pod: Pod): number {
    return this.slowDisks.get(pod.machine) ?? 0;
  }

  /** Until when the named exceptions of docs/protocol.md, section 9, cover this server. */
  exemptUntil(server: RedisServer): number {
    const pod = this.podOf(server);
    return pod.isDisowned ? Infinity : pod.exemptUntilMs;
  }

  log(who: string, words: string): void {
    this.timeline.add(this.clock.nowMs, who, words);
  }

  trace(sidecar: Sidecar, event: MemberEvent, actions: readonly Action[]): void {
    this.timeline.trace(this.clock.nowMs, sidecar.pod.label, { event, actions });
  }

  violate(violation: Violation): void {
    if (this.violation !== null) return;
    this.violation = violation;
    this.log("checker", `BROKEN: ${violation.promise} ${violation.words}`);
  }

  private addWriters(): void {
    const { random } = this;
    const { thinkMs } = this.options;
    this.proxies.forEach((proxy, i) => {
      const address = FIRST_CLIENT + i;
      this.writers.push(new Writer(this, { address, proxy, thinkMs, waits: false }));
      this.writers.push(new Writer(this, { address, proxy, thinkMs, waits: true }));
    });
    const habits = { address: FIRST_CLIENT, proxy: null, thinkMs: 60, waits: false };
    const direct = new Writer(this, habits);
    this.directWriters.push(direct);
    const aim = (): void => {
      const pods = this.livePods();
      if (pods.length > 0) direct.aim(random.pick(pods).host);
      this.clock.after(random.between(4_000, 12_000), aim);
    };
    this.clock.after(3_000, aim);
  }

  private sample(): void {
    this.judge.sampled();
    this.clock.after(SAMPLE_MS, () => this.sample());
  }
}
