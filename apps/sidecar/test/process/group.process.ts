/**
 * Real sidecars, guards and Redis servers against the fake API: scenarios A1, B1, B11, D1 and the
 * meaning of SIGTERM (docs/failure-modes.md). The tests share one group, as a day of operation
 * would; each begins with a whole group and says so if it is not.
 */
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { startGroup, type Group } from "@leasehold/testkit/group";
import { command, lastWords, logOf, takesWrites, viewOf, whole } from "./bench.ts";

let group: Group;
let startedMs = 0;

beforeAll(async () => {
  startedMs = performance.now();
  // On a busy machine a replica may need longer than the usual 500 ms to say that it has caught up.
  const settings = { switchover: { maxPauseMs: 1000 } };
  group = await startGroup({ members: 3, settings });
});
afterEach(({ task }) => {
  if (task.result?.state === "fail") process.stderr.write(`${lastWords(group)}\n`);
});
afterAll(() => group?.close());

it("A1: a first install has one leader within 8 s, all others in sync, and refuses other writes", async () => {
  const leader = await group.leader(8_000 - (performance.now() - startedMs));
  expect(await whole(group, 10_000)).toBe(leader);
  const writable = await Promise.all(group.members.map(takesWrites));
  expect(writable.filter(Boolean)).toHaveLength(1);
});

it("B1: when the primary's Redis is killed, a replica that has everything takes over at once", async () => {
  const old = await whole(group, 10_000);
  await command(old, "SET", "kept", "yes");
  expect(await command(old, "WAIT", "2", "1000")).toBe(2);
  const killedMs = performance.now();
  expect(old.redis.signal("SIGKILL")).toBe(true);
  const next = await group.leader(3_000, old);
  const gapMs = performance.now() - killedMs;
  expect(await command(next, "GET", "kept")).toBe("yes");
  await group.until("writes at the new leader", 2_000, () => takesWrites(next));
  // The bound of protocol.md is 300 ms at p99 on an idle machine; here it only must not be D.
  expect(gapMs).toBeLessThan(2_000);
});

it("B1: the whole container is killed, guard and Redis at once, and a replica takes over at once", async () => {
  const old = await whole(group, 10_000);
  // As the kernel ends a container that is out of memory: nobody is left to report a death.
  const killedMs = performance.now();
  expect(old.redis.signal("SIGKILL") && old.guard.signal("SIGKILL")).toBe(true);
  const next = await group.leader(3_000, old);
  const gapMs = performance.now() - killedMs;
  expect(await command(next, "GET", "kept")).toBe("yes");
  expect(gapMs).toBeLessThan(2_000);
  await old.guard.exited(1_000);
  old.guard.start();
  expect(await whole(group, 10_000)).toBe(next);
});

it("B11: a sidecar that crashes and returns keeps its leader, and clients stay connected", async () => {
  const leader = await whole(group, 10_000);
  const epoch = (await viewOf(leader))?.status.epoch ?? 0;
  await leader.sidecar.stop("SIGKILL", 0);
  leader.sidecar.start();
  await group.until("the new sidecar to lead", 5_000, async () => {
    const view = await viewOf(leader);
    return view?.status.writable === true && view.status.epoch > epoch;
  });
  expect(group.currentLeader()).toBe(leader);
  expect(await command(leader, "GET", "kept")).toBe("yes");
});

it("a member that could not write what a promotion writes says so before it is needed", async () => {
  const leader = await whole(group, 10_000);
  const replica = group.members.find((member) => member !== leader)!;
  const slices = { identity: replica.name, verbs: ["update"], resource: "endpointslices" } as const;
  const giveBack = group.api.faults.inject({ kind: "refuse", code: 403 }, slices);
  await replica.sidecar.stop("SIGKILL", 0);
  replica.sidecar.start();
  const missing = async (): Promise<string | undefined> => {
    const text = await fetch(`${replica.httpUrl}/metrics`).then(
      (response) => response.text(),
      () => "",
    );
    return /^leasehold_missing_rights (.*)$/m.exec(text)?.[1];
  };
  await group.until("the finding", 10_000, async () => (await missing()) === "1");
  giveBack();
  expect(JSON.stringify(logOf(replica))).toContain(
    "its Role lacks update endpointslices.discovery.k8s.io",
  );
  expect(group.currentLeader()).toBe(leader);
});

/** Resolves once the stream is open; `words` once it tells of a change that is about to come. */
async function announcement(httpUrl: string): Promise<{ readonly words: Promise<unknown> }> {
  const signal = AbortSignal.timeout(10_000);
  const response = await fetch(`${httpUrl}/v1/topology/stream`, { signal });
  const read = async (): Promise<unknown> => {
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const [, data] = /^event: leaderChanging\n(?:id: .*\n)?data: (.*)\n\n/m.exec(text) ?? [];
      if (data !== undefined) return JSON.parse(data);
    }
    return null;
  };
  return { words: read().catch((error: unknown) => String(error)) };
}

it("D1: a request for a switchover moves the leader to the member that it names, without loss", async () => {
  const old = await whole(group, 10_000);
  const to = group.members.find((member) => member !== old)!;
  await command(old, "SET", "before", "switchover");
  const told = await Promise.all(group.members.map(({ httpUrl }) => announcement(httpUrl)));
  const id = randomUUID();
  const request = { id, kind: "switchover", to: to.name, force: false };
  group.api.objects.put({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `${group.name}-control`, namespace: group.namespace },
    data: { request: JSON.stringify(request) },
  });
  expect(await group.leader(5_000, old)).toBe(to);
  // Whichever member clients listen to.
  for (const { words } of told) expect(await words).toMatchObject({ successor: to.name });
  await group.until("writes at the new leader", 2_000, () => takesWrites(to));
  expect(await takesWrites(old)).toBe(false);
  expect(await command(to, "GET", "before")).toBe("switchover");
  await group.until("the answer to the request", 3_000, () => {
    const control = group.api.objects.get({
      resource: "configmaps",
      namespace: group.namespace,
      name: `${group.name}-control`,
    });
    const data = control?.["data"] as Record<string, string> | undefined;
    const answer = JSON.parse(data?.["answer"] ?? "{}") as { id?: string; done?: boolean };
    return answer.id === id && answer.done === true;
  });
});

it("SIGTERM to the leader's sidecar alone releases nothing under a writable Redis", async () => {
  const leader = await whole(group, 10_000);
  const exit = await leader.sidecar.stop("SIGTERM", 10_000);
  expect(exit).toEqual({ code: 0, signal: null });
  expect(await takesWrites(leader)).toBe(true);
  expect(group.currentLeader()).toBe(leader);
  leader.sidecar.start();
  await whole(group, 10_000);
  expect(logOf(leader).some((line) => line.reason === "release")).toBe(false);
});

it("a deleted leader hands over before its Redis stops, and returns as a replica", async () => {
  const old = await whole(group, 10_000);
  await command(old, "SET", "last", "words");
  await old.restartPod(30_000);
  const next = await whole(group, 20_000);
  expect(next).not.toBe(old);
  expect(await command(next, "GET", "last")).toBe("words");
  expect(await command(old, "GET", "last")).toBe("words");
});
