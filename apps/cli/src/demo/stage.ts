/**
 * Where the acts play: a group of real processes, a balancer that follows its slice as kube-proxy
 * would, and one ledger over all acts, so that an act also answers for the writes of earlier ones.
 */
import type { ActStage } from "@leasehold/testkit/acts";
import { startBalancerThread } from "@leasehold/testkit/balancer";
import { startGroup, type Group } from "@leasehold/testkit/group";
import { startLoadThread, type Address } from "@leasehold/testkit/workload";
import { CONTROL_KEY, controlName } from "@leasehold/kubernetes";
import { randomUUID } from "node:crypto";
import { readMember, whatIsMissing, type NamedView } from "./member-view.ts";

export interface StageOptions {
  readonly members: number;
  /** Path or name of the server's binary. */
  readonly engine: string;
}

export interface Stage extends ActStage {
  readonly group: Group;
  /** The write address. */
  readonly address: Address;
  requestSwitchover(): void;
  /** What all members say of themselves, asked now. */
  views(): Promise<readonly NamedView[]>;
  /** Leaves no process, port or file behind. */
  close(): Promise<void>;
}

export async function openStage(options: StageOptions): Promise<Stage> {
  const group = await startGroup(options);
  const balancer = await startBalancerThread({ host: "127.0.0.1", port: 0 });
  const unfollow = group.api.objects.listen(() => balancer.setTarget(targetOf(group)));
  const { load, close: endLoad } = startLoadThread("leasehold:ledger");
  const views = () =>
    Promise.all(
      group.members.map(async ({ name, httpUrl }) => ({ name, view: await readMember(httpUrl) })),
    );
  return {
    group,
    address: balancer.address,
    requestSwitchover: () => requestSwitchover(group),
    views,
    async whole(timeoutMs) {
      let missing: string | null = "no member was asked";
      const check = async () => {
        missing = whatIsMissing(await views(), group.currentLeader()?.name ?? null);
        return missing === null;
      };
      await group.until("the group to be whole", timeoutMs, check).catch(() => {
        throw new Error(`the group was not whole within ${timeoutMs / 1000} s: ${missing}`);
      });
    },
    load,
    startLoad(name) {
      const members = new Map(group.members.map((m) => [m.name, directAddress(m)]));
      return load.start({ name, address: balancer.address, members });
    },
    checkLedger: () => load.check({ address: balancer.address }),
    async close() {
      unfollow();
      await Promise.all([endLoad(), balancer.close(), group.close()]);
    },
  };
}

/** Past the switchable network: a cut separates members, not clients. */
function targetOf(group: Group): Address | null {
  const leader = group.currentLeader();
  return leader === null ? null : directAddress(leader);
}

function directAddress(member: { readonly realHost: string; readonly redisPort: number }): Address {
  return { host: member.realHost, port: member.redisPort };
}

/** As `leasehold switchover` does it: a request in the control ConfigMap. */
function requestSwitchover(group: Group): void {
  const request = { id: randomUUID(), kind: "switchover", to: null, force: false };
  group.api.objects.put({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: controlName(group.name), namespace: group.namespace },
    data: { [CONTROL_KEY.request]: JSON.stringify(request) },
  });
}
