/** A kube-proxy that follows late, or works in another way. */
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "@leasehold/cluster";
import type { Bound } from "@leasehold/testkit/result";
import type { Stage } from "../stage.ts";
import type { Act } from "./act.ts";

/** Beyond the 2 s for which a member that led cuts whoever comes. */
const LATE_MS = 6000;
/** ADR 0019: cut at most 1.5 s after the thaw, connected by what kube-proxy knows then. */
const LATE_PROXY: Bound = { medianMs: LATE_MS + 2000, p99Ms: LATE_MS + 3000 };
const STRAY_CUTS = "leasehold_stray_writer_cuts_total";
const QUIET_MS = 1000;
/** kube-proxy ends, starts anew and writes all rules of the other kind. */
const PROXY_RESTART_MS = 15_000;

export const PROXIES: readonly Act[] = [
  {
    name: "switchover-iptables",
    handsOver: true,
    title: "a switchover is asked for while kube-proxy works with iptables",
    bound: "switchover",
    promised: "acknowledged",
    needsFaults: true,
    before: (stage) => setMode(stage, "iptables"),
    play: async ({ group }) => void (await group.leasehold(["switchover"])),
    after: (stage) => setMode(stage, "nftables"),
  },
  {
    name: "stray-clients",
    title:
      "a kube-proxy stands still while the lead moves, and clients stay where they are refused",
    bound: LATE_PROXY,
    promised: "acknowledged",
    needsFaults: true,
    habits: { areStubborn: true },
    play: leadAstray,
  },
];

async function setMode({ cluster }: Stage, mode: "iptables" | "nftables"): Promise<void> {
  await cluster.setKubeProxyMode(mode);
  await sleep(PROXY_RESTART_MS);
}

/** Clients of that node come to the member that led, also after it has stopped to cut everybody. */
async function leadAstray(stage: Stage): Promise<void> {
  const { cluster, group, load } = stage;
  const { pod } = await group.holder();
  const own = await group.nodeOf(pod);
  const node = cluster.nodes.find(({ name }) => name !== own);
  if (node === undefined) throw new Error("there is no other node");
  node.freezeKubeProxy();
  try {
    await group.leasehold(["switchover"]);
    await sleep(LATE_MS);
  } finally {
    node.thawKubeProxy();
  }
  const cuts = await group.metric(pod, STRAY_CUTS);
  if (cuts === 0) throw new Error(`nobody was cut by ${pod}, so this shows nothing`);
  let failed = (await load.state()).failed;
  await until("no client is refused", { timeoutMs: 6000, pollMs: QUIET_MS }, async () => {
    const before = failed;
    failed = (await load.state()).failed;
    return failed === before;
  });
  stage.remark(`${pod} cut stray clients ${cuts} times while ${node.name} led them there`);
}
