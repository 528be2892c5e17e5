import { once } from "node:events";
import { get, request, type IncomingMessage, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { MemberReport, MemberStatus } from "@leasehold/replication";
import { createPublicServer, currentTopology, type PublicView } from "../src/http/public-server.ts";
import { createTopologyStream, type TopologyStream } from "../src/http/topology-stream.ts";
import { topologyOf, type Topology } from "../src/http/topology.ts";
import { createMetrics, METRICS } from "../src/metrics.ts";
import type { UpkeepView } from "../src/upkeep.ts";
import type { VolumeUsage } from "../src/volume.ts";
import { INFO, REPLICA, REPORT, STATUS } from "./fixtures.ts";

let status: MemberStatus = STATUS;
let others: readonly MemberReport[] = [REPLICA];
let refresh: () => Promise<void>;
let ageMs = 0;
let live = true;
let upkeep: UpkeepView;
let volume: VolumeUsage | null = null;
let server: Server;
let stream: TopologyStream;
let view: PublicView;
let port = 0;

beforeEach(async () => {
  status = STATUS;
  others = [REPLICA];
  refresh = () => Promise.resolve();
  ageMs = 0;
  live = true;
  volume = null;
  const metrics = createMetrics();
  upkeep = {
    rotation: null,
    certificateExpiresAtMs: null,
    restartPending: false,
    missingRights: [],
  };
  const reports = { current: () => others, ageMs: () => ageMs, refresh: () => refresh() };
  const base = {
    group: "orders",
    namespace: "shop",
    status: () => status,
    report: () => REPORT,
    reports,
  };
  stream = createTopologyStream("p1", { ...reports, current: () => currentTopology(base) });
  view = {
    ...base,
    isLive: () => live,
    metrics: () => metrics.render(base, upkeep, volume),
    stream,
  };
  server = createPublicServer(view);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  port = (server.address() as AddressInfo).port;
});
afterEach(async () => {
  stream.close();
  server.closeAllConnections();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
});

const url = (path: string): string => `http://127.0.0.1:${port}${path}`;
const statusOf = async (path: string): Promise<number> => (await fetch(url(path))).status;

describe("the topology", () => {
  it("names the published address of the present holder", () => {
    const lineage = [{ epoch: 7, replid: "r7", startOffset: 100, parent: "r6" }];
    status = { ...STATUS, slice: STATUS.slice && { ...STATUS.slice, lineage } };
    const topology = currentTopology(view);
    const address = { id: "orders-0", host: "10.0.0.1", port: 6379 };
    expect(topology.leader).toEqual({ ...address, epoch: 7, lineage });
    expect(topology.nodes.map((node) => [node.id, node.role, node.lagBytes])).toEqual([
      ["orders-0", "primary", 0],
      ["orders-1", "replica", 100],
    ]);
  });

  it("dates the leader by its own epoch, not by one that was only heard of", () => {
    status = { ...STATUS, epoch: 9 };
    const topology = currentTopology(view);
    expect([topology.epoch, topology.leader?.epoch]).toEqual([9, 7]);
  });

  it("names nobody while the slice is of an earlier holder", () => {
    const facts = { group: "orders", namespace: "shop", self: REPORT, others, ageMs: () => 0 };
    const moved = { ...STATUS, holder: "orders-1_u1_n1" };
    expect(topologyOf({ ...facts, status: moved }).leader).toBeNull();
    expect(topologyOf({ ...facts, status: { ...STATUS, slice: null } }).leader).toBeNull();
  });

  it("does not name itself once its own right to lead is over", () => {
    status = { ...STATUS, isOver: true };
    expect(currentTopology(view).leader).toBeNull();
  });

  it("tells how old each position may be, its member's own look included", () => {
    ageMs = 250.5;
    const ages = currentTopology(view).nodes.map(({ observedMsAgo }) => observedMsAgo);
    expect(ages).toEqual([500, 751]);
  });

  it("gives no lag to a copy of another history", () => {
    others = [{ ...REPLICA, replid: "r6" }];
    expect(currentTopology(view).nodes[1]?.lagBytes).toBeNull();
  });
});

describe("the public port", () => {
  it("answers balancers and probes by status", async () => {
    expect(await statusOf("/v1/primary")).toBe(200);
    expect(await statusOf("/v1/replica")).toBe(503);
    expect(await statusOf("/probe/ready")).toBe(200);
    status = {
      ...STATUS,
      writable: false,
      ready: false,
      redis: { ...INFO, role: "replica" },
    };
    expect(await statusOf("/v1/primary")).toBe(503);
    expect(await statusOf("/v1/replica")).toBe(200);
    expect(await statusOf("/v1/replica?maxLagBytes=0")).toBe(200);
    expect(await statusOf("/v1/replica?maxLagBytes=few")).toBe(400);
    expect(await statusOf("/probe/ready")).toBe(503);
    live = false;
    expect(await statusOf("/probe/live")).toBe(503);
    expect(await statusOf("/probe/started")).toBe(200);
  });

  it("tells and never takes: other methods are refused, HEAD has no body", async () => {
    expect((await fetch(url("/v1/topology"), { method: "POST" })).status).toBe(405);
    const head = await fetch(url("/v1/topology"), { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(await statusOf("/v1/nothing")).toBe(404);
    expect(await statusOf("/constructor")).toBe(404);
  });

  it("shows every metric with its help, and values as they are now", async () => {
    const text = await (await fetch(url("/metrics"))).text();
    expect(METRICS.filter(({ name }) => !text.includes(`# HELP ${name} `))).toEqual([]);
    expect(text).toContain("leasehold_member_writable 1");
    expect(text).toContain('leasehold_replication_lag_bytes{replica="orders-1"} 100');
    expect(text).not.toMatch(/^leasehold_(credentials|certificate)/m);
  });

  it("shows passwords, certificate and what else is kept up once it is in use", async () => {
    const generations = new Map([["default", 3]]);
    upkeep = {
      rotation: { generations, inSync: true },
      certificateExpiresAtMs: 1_500,
      restartPending: true,
      missingRights: ["update leases.coordination.k8s.io"],
    };
    const text = await (await fetch(url("/metrics"))).text();
    expect(text).toContain('leasehold_credentials_generation{user="default"} 3');
    expect(text).toContain("leasehold_credentials_in_sync 1");
    expect(text).toContain("leasehold_config_pending_restart 1");
    expect(text).toContain("leasehold_missing_rights 1");
    expect(text).toContain("leasehold_certificate_expiry_timestamp_seconds 1.5");
  });

  it("shows what Redis and its volume use, and no number that was not measured", async () => {
    const text = async (): Promise<string> => (await fetch(url("/metrics"))).text();
    expect(await text()).not.toMatch(/^leasehold_(redis_(memory|commands)|volume)/m);
    const usage = { memoryBytes: 5, maxMemoryBytes: 8, clients: 2, commands: 70, evictedKeys: 1 };
    status = { ...STATUS, redis: { ...INFO, usage } };
    volume = { sizeBytes: 100, freeBytes: 30 };
    await text();
    const lines = (await text()).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        "leasehold_redis_memory_used_bytes 5",
        "leasehold_redis_memory_max_bytes 8",
        "leasehold_redis_connected_clients 2",
        "# TYPE leasehold_redis_commands_total counter",
        "leasehold_redis_commands_total 70",
        "leasehold_redis_evicted_keys_total 1",
        "leasehold_volume_size_bytes 100",
        "leasehold_volume_free_bytes 30",
      ]),
    );
  });

  it("shows whether the write address leads here, whoever wrote it, and an undecided start", async () => {
    const text = async (): Promise<string> => (await fetch(url("/metrics"))).text();
    expect(await text()).toContain("leasehold_write_address_here 1");
    expect(await text()).toContain("leasehold_cold_start_undecided 0");
    const slice = { ...STATUS.slice!, address: { host: "10.0.0.9", port: 6379 } };
    status = { ...STATUS, slice, trouble: "undecided: orders-1 is silent" };
    expect(await text()).toContain("leasehold_write_address_here 0");
    expect(await text()).toContain("leasehold_cold_start_undecided 1");
  });

  it("answers with a sentence when a view throws", async () => {
    const broken = createPublicServer({
      ...view,
      status: () => {
        throw new Error("not yet");
      },
    });
    await new Promise<void>((resolve) => {
      broken.listen(0, "127.0.0.1", resolve);
    });
    const brokenPort = (broken.address() as AddressInfo).port;
    const answer = await fetch(`http://127.0.0.1:${brokenPort}/v1/topology`);
    expect([answer.status, await answer.text()]).toEqual([500, '{"error":"Error: not yet"}\n']);
    broken.closeAllConnections();
    broken.close();
  });
});

it("a connection that asks nothing is cut off: it would keep the kubelet's probes out", async () => {
  const silent = connect(port, "127.0.0.1").resume();
  const since = performance.now();
  await once(silent, "close");
  expect(performance.now() - since).toBeLessThan(7_000);
}, 10_000);

describe("the topology stream", () => {
  /** Reads events until `count` came. */
  function read(count: number, headers: Record<string, string> = {}): Reading {
    const events: Event[] = [];
    let response: IncomingMessage | undefined;
    const opened = Promise.withResolvers<void>();
    const done = Promise.withResolvers<Event[]>();
    const sent = get(url("/v1/topology/stream"), { headers }, (answer) => {
      response = answer;
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
        opened.resolve();
        const blocks = text.split("\n\n");
        text = blocks.pop() ?? "";
        for (const block of blocks) if (!block.startsWith(":")) events.push(parse(block));
        if (events.length >= count) done.resolve(events);
      });
    });
    sent.on("error", () => undefined);
    return {
      opened: opened.promise,
      events: done.promise,
      close: () => {
        response?.destroy();
        sent.destroy();
      },
    };
  }

  it("begins with a snapshot and tells a change of leader at once", async () => {
    const reading = read(2);
    await reading.opened;
    status = { ...STATUS, holder: "orders-1_u1_n1", epoch: 8 };
    stream.turned();
    const [first, second] = await reading.events;
    expect([first?.name, first?.id]).toEqual(["topology", "p1:1"]);
    expect(first?.data.leader?.id).toBe("orders-0");
    expect(second?.data).toMatchObject({ leader: null, epoch: 8 });
    reading.close();
  });

  it("asks the others before its first snapshot, and does not wait for one that is lost", async () => {
    others = [];
    refresh = async () => {
      others = [REPLICA];
    };
    const asked = read(1);
    expect((await asked.events)[0]?.data.nodes.map(({ id }) => id)).toEqual([
      "orders-0",
      "orders-1",
    ]);
    asked.close();
    refresh = () => new Promise<never>(() => undefined);
    const again = read(1);
    expect((await again.events)[0]?.name).toBe("topology");
    again.close();
  });

  it("tells of a change that comes before the first snapshot behind it", async () => {
    refresh = () => new Promise<never>(() => undefined);
    const reading = read(2);
    await vi.waitFor(() => expect(stream.listeners()).toBe(1), { interval: 1 });
    stream.leaderChanging({ epoch: 7, successor: null, deadlineMs: 500 });
    const names = (await reading.events).map(({ name }) => name);
    expect(names).toEqual(["topology", "leaderChanging"]);
    reading.close();
  });

  it("keeps moved offsets back, and tells nothing when nothing changed", async () => {
    const reading = read(2);
    await reading.opened;
    others = [{ ...REPLICA, offset: 950 }];
    stream.turned();
    stream.turned();
    status = { ...STATUS, paused: true };
    stream.turned();
    const events = await reading.events;
    expect(events.map((event) => event.id)).toEqual(["p1:1", "p1:2"]);
    expect(events[1]?.data.paused).toBe(true);
    reading.close();
  });

  it("tells each second that nothing has moved: else what was seen would seem to grow old", async () => {
    const reading = read(2);
    await reading.opened;
    ageMs = 1;
    const events = await reading.events;
    expect(events[1]?.data.nodes.map(({ observedMsAgo }) => observedMsAgo)).toEqual([500, 501]);
    reading.close();
  });

  it("does not repeat what the reader says it knows", async () => {
    const first = read(1);
    await first.events;
    first.close();
    const again = read(1, { "last-event-id": "p1:1" });
    await again.opened;
    stream.leaderChanging({ epoch: 7, successor: "orders-1", deadlineMs: 500 });
    const [event] = await again.events;
    expect(event?.name).toBe("leaderChanging");
    again.close();
  });

  it("drops a reader that does not read while little waits for it: there may be many", async () => {
    const accepted = once(server, "connection");
    const lazy = connect(port, "127.0.0.1");
    lazy.pause().write("GET /v1/topology/stream HTTP/1.1\r\nhost: x\r\n\r\n");
    const [socket] = (await accepted) as [Socket];
    await vi.waitFor(() => expect(stream.listeners()).toBe(1), { interval: 1 });
    let unreadBytes = 0;
    // What the kernel keeps comes first: 4 MB on loopback.
    for (let count = 0; stream.listeners() > 0 && count < 50_000; count += 1) {
      stream.leaderChanging({ epoch: 7, successor: "x".repeat(1_000), deadlineMs: 500 });
      unreadBytes = Math.max(unreadBytes, socket.writableLength);
      await setImmediate();
    }
    expect(stream.listeners()).toBe(0);
    expect(unreadBytes).toBeLessThan(80_000);
    lazy.destroy();
  });

  it("refuses the reader that is one too many, with an answer", async () => {
    const readings = Array.from({ length: 256 }, () => read(1));
    await Promise.all(readings.map((reading) => reading.opened));
    const answer = await new Promise<number>((resolve) => {
      request(url("/v1/topology/stream"), (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).end();
    });
    expect(answer).toBe(503);
    for (const reading of readings) reading.close();
  });
});

interface Event {
  readonly name: string;
  readonly id: string;
  /** Of a `leaderChanging` event only the epoch is there. */
  readonly data: Topology;
}

interface Reading {
  readonly opened: Promise<void>;
  readonly events: Promise<readonly Event[]>;
  close(): void;
}

function parse(block: string): Event {
  const field = (name: string): string =>
    block
      .split("\n")
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2) ?? "";
  return { name: field("event"), id: field("id"), data: JSON.parse(field("data")) as Topology };
}
