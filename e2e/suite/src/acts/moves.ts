/** Moving in: a plain Redis outside the group is followed, until a cutover. */
import { until, type Cluster } from "@leasehold/cluster";
import type { Bound } from "@leasehold/testkit/result";
import type { Group, Release } from "../group.ts";
import type { Stage } from "../stage.ts";
import { PATIENCE_MS, rolledOut, WHOLE_MS, type Act, type Preparation } from "./act.ts";

/** A migration's, docs/migrate/README.md: no row of docs/protocol.md, section 8. */
const CUTOVER: Bound = { medianMs: 500, p99Ms: 1000 };
const PASSWORD = "kept-while-moving";
const MOVERS =
  "-@all +ping +replconf +psync +info +config|get +config|set +client|setname +client|id";
const KEYS = 20_000;
const FILL = `for i = 1, ${KEYS} do redis.call("SET", "old:" .. i, "x") end`;
const FOLLOWS = "follows the source outside the group, until a cutover";
const SOURCE = "bootstrap.externalPrimary";

const RELEASE: Release = {
  namespace: "moves",
  release: "moves",
  followsSource: true,
  values: [
    "sidecar.log.level=debug",
    `auth.password=${PASSWORD}`,
    `${SOURCE}.host=source`,
    `${SOURCE}.username=mover`,
    `${SOURCE}.existingSecret=mover`,
  ],
};

export const MOVES: readonly Act[] = [
  {
    name: "cutover",
    title: "a plain Redis is followed, and at a cutover its writers move to the group",
    bound: CUTOVER,
    promised: "acknowledged",
    reads: "nothing",
    release: RELEASE,
    habits: { movesFrom: "source.moves.svc.cluster.local" },
    prepare: startSource,
    play: cutOver,
    after: forgetSource,
  },
];

async function startSource(cluster: Cluster, group: Group): Promise<Preparation> {
  const { namespace } = RELEASE;
  const object = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
  await cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
  // One of an earlier run was closed by its cutover.
  await group.kubectl(["delete", "pod", "source", "--ignore-not-found", "--now"]);
  const list = { apiVersion: "v1", kind: "List", items: sourceObjects() };
  await group.kubectl(["apply", "-f", "-"], { input: JSON.stringify(list) });
  const ready = ["wait", "--for=condition=Ready", "pod/source", "--timeout=60s"];
  await group.kubectl(ready, { timeoutMs: 70_000 });
  await ask(group, "source", ["EVAL", FILL, "0"]);
  return {
    async whole(timeoutMs) {
      await until("the source followed, or the group healthy", { timeoutMs, pollMs: 500 }, () =>
        isWell(group).catch(() => false),
      );
    },
  };
}

function sourceObjects(): readonly object[] {
  const labels = { app: "source" };
  const mover = ["--user", "mover", "on", `>${PASSWORD}`, ...MOVERS.split(" ")];
  const args = ["redis-server", "--save", "", "--requirepass", PASSWORD, ...mover];
  const container = {
    name: "redis",
    image: "docker.io/redis:8.0",
    args,
    readinessProbe: { tcpSocket: { port: 6379 }, periodSeconds: 1 },
  };
  const spec = { terminationGracePeriodSeconds: 1, containers: [container] };
  return [
    { apiVersion: "v1", kind: "Pod", metadata: { name: "source", labels }, spec },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "source" },
      spec: { selector: labels, ports: [{ name: "redis", port: 6379 }] },
    },
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "mover" },
      stringData: { "redis-password": PASSWORD },
    },
  ];
}

async function isWell(group: Group): Promise<boolean> {
  const status = JSON.parse(await group.leasehold(["status", "-o", "json"])) as Status;
  return status.healthy || status.troubles.some((trouble) => trouble.endsWith(FOLLOWS));
}

interface Status {
  readonly healthy: boolean;
  readonly troubles: readonly string[];
}

async function cutOver({ group }: Stage): Promise<void> {
  await group.leasehold(["cutover", "--yes"]);
  await group.healthy(WHOLE_MS);
  const { pod } = await group.holder();
  const found = Number(await ask(group, pod, ["EVAL", 'return #redis.call("KEYS", "old:*")', "0"]));
  if (found !== KEYS) throw new Error(`${found} of ${KEYS} older keys are there`);
}

/** The last step of the guide. */
async function forgetSource({ group }: Stage): Promise<void> {
  // After a cutover that failed there is nothing to forget, and no pod to wait for.
  await group.healthy(PATIENCE_MS);
  const none = ["host", "username", "existingSecret"].map((name) => `${SOURCE}.${name}=`);
  await group.helmUpgrade(none);
  await rolledOut(group);
  await group.healthy(WHOLE_MS);
}

function ask(group: Group, pod: string, command: readonly string[]): Promise<string> {
  const client = ["redis-cli", "--no-auth-warning", "-a", PASSWORD];
  return group.kubectl(["exec", pod, "-c", "redis", "--", ...client, ...command]);
}
