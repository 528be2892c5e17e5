/** Plays the sidecars' status API, and the ways in which it can fail. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { RealRedis } from "./real-redis.ts";

/** `hung`: takes the connection and says nothing; `silent`: one snapshot, and then nothing. */
/** `polled`: does not stream. */
export type Mood = "polled" | "well" | "hung" | "silent" | "500" | "half";

export interface FakeStatus {
  readonly endpoint: string;
  mood: Mood;
  readonly asked: number;
  push(epoch: number, leader: RealRedis): Promise<void>;
  /** A planned change, to come within that time. */
  announce(epoch: number, deadlineMs: number): void;
  /** Ends all streams, and refuses new ones until the mood is changed. */
  cut(): void;
  close(): Promise<void>;
}

export async function startStatus(
  members: Readonly<Record<string, RealRedis>>,
): Promise<FakeStatus> {
  const streams = new Set<ServerResponse>();
  let last = "";
  let counter = 0;
  const server = createServer((request, response) => {
    status.asked += 1;
    if (status.mood === "hung") return;
    if (status.mood === "500") {
      response.writeHead(500).end();
      return;
    }
    if (request.url === "/v1/topology") {
      response.writeHead(200, { "content-type": "application/json" }).end(last);
      return;
    }
    if (status.mood === "polled") {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    streams.add(response);
    response.once("close", () => streams.delete(response));
    const event = eventOf(last, counter);
    if (status.mood === "half") response.write(event.slice(0, 40), () => response.destroy());
    else response.write(event);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const beat = setInterval(() => {
    if (status.mood === "well") for (const stream of streams) stream.write(": alive\n\n");
  }, 200);
  const status = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mood: "well" as Mood,
    asked: 0,
    async push(epoch: number, leader: RealRedis) {
      const info = await leader.admin.info("replication");
      const replicationId = /master_replid:(\w+)/.exec(info)?.[1] ?? null;
      counter += 1;
      last = JSON.stringify({ ...topologyOf(members, leader, replicationId), epoch });
      for (const stream of streams) stream.write(eventOf(last, counter));
    },
    announce(epoch: number, deadlineMs: number) {
      const data = JSON.stringify({ epoch, successor: null, deadlineMs });
      for (const stream of streams) stream.write(`event: leaderChanging\ndata: ${data}\n\n`);
    },
    cut() {
      for (const stream of streams) stream.destroy();
    },
    async close() {
      clearInterval(beat);
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return status;
}

function eventOf(data: string, counter: number): string {
  return `event: topology\nid: fake:${counter}\ndata: ${data}\n\n`;
}

function topologyOf(
  members: Readonly<Record<string, RealRedis>>,
  leader: RealRedis,
  replicationId: string | null,
): object {
  const nodes = Object.entries(members).map(([id, redis]) => ({
    id,
    host: redis.host,
    port: redis.port,
    role: redis.port === leader.port ? "primary" : "replica",
    state: "up",
    inSync: true,
    replicationId,
    offset: 0,
    lagBytes: 0,
    ineligible: null,
  }));
  const first = nodes.find(({ port }) => port === leader.port);
  return {
    apiVersion: "leasehold.dev/v1",
    leader: { id: first?.id, host: leader.host, port: leader.port },
    expectedNodes: nodes.length,
    nodes,
  };
}
