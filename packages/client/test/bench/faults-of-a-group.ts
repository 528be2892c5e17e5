/**
 * What happens to the leader of a real group while jobs run: ten failovers, of eight kinds. Each
 * resolves when another member leads, or the same one anew; what was broken is repaired later.
 */
import { randomUUID } from "node:crypto";
import type { Group, GroupMember } from "@leasehold/testkit/group";

export interface Failover {
  readonly name: string;
  /** A planned one loses nothing that was acknowledged; another one may, in principle. */
  readonly isPlanned: boolean;
  play(group: Group, leader: GroupMember): Promise<() => void>;
}

const PATIENCE_MS = 20_000;
const GRACE_MS = 30_000;
const NOTHING = (): void => {};

function strike(target: { signal(name: NodeJS.Signals): boolean }, name: NodeJS.Signals): void {
  if (!target.signal(name)) throw new Error(`${name} reached no process: nothing was tested`);
}

const switchover: Failover = {
  name: "switchover, connections killed after it",
  isPlanned: true,
  async play(group, leader) {
    const request = { id: randomUUID(), kind: "switchover", to: null, force: false };
    group.api.objects.put({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: `${group.name}-control`, namespace: group.namespace },
      data: { request: JSON.stringify(request) },
    });
    await group.leader(PATIENCE_MS, leader);
    return NOTHING;
  },
};

const redisKilled: Failover = {
  name: "SIGKILL of Redis",
  isPlanned: false,
  async play(group, leader) {
    strike(leader.redis, "SIGKILL");
    await group.leader(PATIENCE_MS, leader);
    return NOTHING;
  },
};

const redisStopped: Failover = {
  name: "SIGSTOP of Redis",
  isPlanned: false,
  async play(group, leader) {
    strike(leader.redis, "SIGSTOP");
    await group.leader(PATIENCE_MS, leader);
    return NOTHING;
  },
};

const podRestarted: Failover = {
  name: "restart of the pod",
  isPlanned: true,
  async play(_group, leader) {
    await leader.restartPod(GRACE_MS);
    return NOTHING;
  },
};

const sidecarKilled: Failover = {
  name: "SIGKILL of the sidecar",
  isPlanned: false,
  async play(group, leader) {
    strike(leader.sidecar, "SIGKILL");
    await group.leader(PATIENCE_MS, leader);
    return () => leader.sidecar.start();
  },
};

const sidecarStopped: Failover = {
  name: "SIGSTOP of the sidecar",
  isPlanned: false,
  async play(group, leader) {
    strike(leader.sidecar, "SIGSTOP");
    await group.leader(PATIENCE_MS, leader);
    return () => strike(leader.sidecar, "SIGCONT");
  },
};

const powerLost: Failover = {
  name: "power loss of the node",
  isPlanned: false,
  async play(group, leader) {
    await leader.cutPower();
    await group.leader(PATIENCE_MS, leader);
    return () => leader.powerOn({ samePod: true });
  },
};

const cutOff: Failover = {
  name: "leader cut from the API and its peers",
  isPlanned: false,
  async play(group, leader) {
    leader.cutFromApi();
    leader.cutFromPeers();
    await group.leader(PATIENCE_MS, leader);
    return () => {
      leader.restoreApi();
      leader.restorePeers();
    };
  },
};

export const FAILOVERS: readonly Failover[] = [
  ...[switchover, redisKilled, redisStopped, podRestarted, sidecarKilled],
  ...[switchover, sidecarStopped, powerLost, cutOff, redisKilled],
];
