/**
 * `-REDIRECT host:port`, by which Valkey from 8 on sends away who has asked for it. Skipped by name
 * where the server knows no `CLIENT CAPA`: `npm run bench -- engines` brings some that do.
 */
import { afterEach, expect, test, type TestContext } from "vitest";
import { startBalancer, type Balancer } from "@leasehold/testkit/balancer";
import { NotLeaderError, serviceTopology } from "../../src/index.ts";
import { closeAll, open, openPair, outcome } from "./open-clients.ts";
import { ENGINE, redirects, startPair, startRedis, switchOver } from "./real-redis.ts";

const balancers: Balancer[] = [];
afterEach(async () => {
  await closeAll();
  for (const balancer of balancers.splice(0)) await balancer.close();
});

async function needRedirects({ skip }: TestContext): Promise<void> {
  if (!(await redirects(await startRedis()))) skip(`${ENGINE} knows no CLIENT CAPA redirect`);
}

test("a demoted leader refuses reads, too, says who leads, and that one answers them", async (context) => {
  await needRedirects(context);
  const { a, b, topology, client } = await openPair();
  await client.leader.set("k", "v");
  await switchOver(a, b);
  await b.admin.set("k", "newer");
  const read = client.leader.get("k");
  const { error } = await outcome(client.withOptions({ waitForLeaderMs: 200 }).set("k", "v"));
  expect(error).toBeInstanceOf(NotLeaderError);
  expect(error).toMatchObject({
    serverCode: "REDIRECT",
    redirectedTo: `${b.host}:${b.port}`,
    outcome: "not-applied",
  });
  expect(topology.checks()).toContain("redirected");
  topology.push(2, b);
  expect(await read).toBe("newer");
});

test("and a change that is found after it is one by redirect", async (context) => {
  await needRedirects(context);
  const [a, b] = await startPair();
  const balancer = await startBalancer({ host: "127.0.0.1", port: 0 });
  balancers.push(balancer);
  balancer.setTarget({ host: a.host, port: a.port });
  const writer = `127.0.0.1:${balancer.address.port}`;
  const client = open({ topology: serviceTopology({ writer, probeIntervalMs: 60_000 }) });
  await client.leader.set("k", "v");
  const via: string[] = [];
  client.on("leaderChanged", (change) => via.push(change.via));
  await switchOver(a, b);
  balancer.setTarget({ host: b.host, port: b.port });
  expect(await client.leader.get("k")).toBe("v");
  expect(via).toEqual(["redirect"]);
});

test("a reader is not sent away by the replica that it reads from", async (context) => {
  await needRedirects(context);
  const { a, b, client } = await openPair();
  await a.admin.set("k", "v");
  await a.admin.wait(1, 1_000);
  const reader = client.reader({ preference: "replica" });
  expect(await reader.get("k")).toBe("v");
  expect(reader.options.port).toBe(b.port);
});
