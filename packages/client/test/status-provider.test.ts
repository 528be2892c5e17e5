/** What stands where a sidecar should, and answers something else. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { statusTopology, type StatusTopologyOptions } from "../src/providers/status.ts";

const ends: (() => void)[] = [];
afterEach(() => ends.splice(0).forEach((end) => end()));

const TOPOLOGY = JSON.stringify({
  epoch: 1,
  expectedNodes: 1,
  leader: { id: "a", host: "10.0.0.1", port: 6379, epoch: 1 },
  nodes: [{ id: "a", host: "10.0.0.1", port: 6379, role: "primary", state: "up" }],
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const well: RequestListener = (_request, response) => {
  response.writeHead(200);
  response.write(`event: topology\ndata: ${TOPOLOGY}\n\n`);
};

/** Those that answer do so sooner, also on a machine that starts nine suites at once. */
const SILENCE_MS = 2_000;

/** Resolves when it knows a leader; `faults` are what it told until then. */
async function follow(
  options: StatusTopologyOptions,
): Promise<{ readonly known: Promise<string | null>; readonly faults: readonly string[] }> {
  const stop = new AbortController();
  ends.push(() => stop.abort());
  const faults: string[] = [];
  const known = new Promise<string | null>((resolve) => {
    statusTopology({ silenceTimeoutMs: SILENCE_MS, ...options }).start(
      {
        observe: ({ leaderId }) => resolve(leaderId),
        announce: () => {},
        fault: ({ cause }) => void faults.push((cause as Error).message),
      },
      stop.signal,
      { probe: () => Promise.reject(new Error("nothing is probed here")) },
    );
  });
  return Promise.resolve({ known, faults });
}

test("an endpoint that has comments and no topology to tell is left for the next one", async () => {
  const trickling = await serve((_request, response) => {
    response.writeHead(200);
    const beat = setInterval(() => response.write(":\n"), 20);
    response.once("close", () => clearInterval(beat));
  });
  const { known, faults } = await follow({ endpoints: [trickling, await serve(well)] });
  expect(await known).toBe("a");
  expect(faults).toEqual([`it did not tell a topology within ${SILENCE_MS} ms`]);
});

test("an endpoint whose streams end at once without a topology is a fault, and is not stormed", async () => {
  let asked = 0;
  const page = await serve((_request, response) => {
    asked += 1;
    response.writeHead(200).end("<html>log in</html>");
  });
  const { faults } = await follow({ endpoints: [page], mode: "stream" });
  await expect.poll(() => faults.length, { timeout: 20_000 }).toBeGreaterThan(3);
  expect(faults[0]).toBe("its stream ended without a topology");
  expect(asked).toBeLessThanOrEqual(faults.length + 1);
});

test("an answer without end is not read to its end", async () => {
  const endless = await serve((_request, response) => {
    response.writeHead(200);
    const more = (): void => void response.write("x".repeat(16_384), () => setImmediate(more));
    more();
  });
  const { known, faults } = await follow({
    endpoints: [endless, await serve(polled)],
    mode: "poll",
  });
  expect(await known).toBe("a");
  expect(faults).toEqual(["its answer is longer than 65536 characters"]);
});

test("an answer that trickles is given up", async () => {
  const trickling = await serve((_request, response) => {
    response.writeHead(200);
    const beat = setInterval(() => response.write(" "), 20);
    response.once("close", () => clearInterval(beat));
  });
  const endpoints = [trickling, await serve(polled)];
  const { known, faults } = await follow({ endpoints, mode: "poll" });
  expect(await known).toBe("a");
  expect(faults).toEqual([`it did not tell the whole topology within ${SILENCE_MS} ms`]);
});

test("headers that never come are a fault, and are asked for again", async () => {
  let asked = 0;
  const headers = (): Promise<Record<string, string>> =>
    ++asked === 1 ? new Promise(() => {}) : Promise.resolve({});
  const { known, faults } = await follow({
    endpoints: [await serve(well)],
    headers,
    mode: "stream",
  });
  expect(await known).toBe("a");
  expect(faults).toEqual([`the option "headers" gave none within ${SILENCE_MS} ms`]);
});

function polled(...[, response]: Parameters<RequestListener>): void {
  response.writeHead(200).end(TOPOLOGY);
}

test.each([
  ["goes on naming a leader that refuses", TOPOLOGY],
  ["names nobody", TOPOLOGY.replace(/"leader":\{.*?\}/, '"leader":null')],
])("a sidecar that %s may be cut off, and another one is asked", async (_what, told) => {
  const newer = TOPOLOGY.replaceAll('"a"', '"b"').replaceAll('"epoch":1', '"epoch":2');
  const stale = await serve((_request, response) => {
    response.writeHead(200);
    const say = (): void => void response.write(`event: topology\ndata: ${told}\n\n`);
    say();
    const beat = setInterval(say, 20);
    response.once("close", () => clearInterval(beat));
  });
  const fresh = await serve((_request, response) => {
    response.writeHead(200);
    response.write(`event: topology\ndata: ${newer}\n\n`);
  });
  const stop = new AbortController();
  ends.push(() => stop.abort());
  const provider = statusTopology({ endpoints: [stale, fresh] });
  const faults: Error[] = [];
  const heard = new Promise<number | null>((resolve) => {
    const observe = ({ leaderId, epoch }: { leaderId: string | null; epoch: number | null }) => {
      if (leaderId === "b") resolve(epoch);
      else provider.requestCheck("roleMismatch");
    };
    const sink = { observe, announce: () => {}, fault: (error: Error) => void faults.push(error) };
    const tools = { probe: () => Promise.reject(new Error("nothing is probed here")) };
    provider.start(sink, stop.signal, tools);
  });
  expect(await heard).toBe(2);
  expect(faults).toEqual([]);
});

test("a leader that refuses for want of replicas is no reason to leave a sidecar", async () => {
  let asked = 0;
  const endpoint = await serve((request, response) => {
    asked += 1;
    well(request, response);
  });
  const stop = new AbortController();
  ends.push(() => stop.abort());
  const provider = statusTopology({ endpoints: [endpoint] });
  const tools = { probe: () => Promise.reject(new Error("nothing is probed here")) };
  const faults: Error[] = [];
  await new Promise<void>((resolve) => {
    const sink = { observe: () => resolve(), announce: () => {} };
    const fault = (error: Error): void => void faults.push(error);
    provider.start({ ...sink, fault }, stop.signal, tools);
  });
  const refused = setInterval(() => provider.requestCheck("rejected"), 50);
  ends.push(() => clearInterval(refused));
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  expect(faults).toEqual([]);
  expect(asked).toBe(1);
});

test("a sidecar that names a new leader in time is stayed with", async () => {
  let asked = 0;
  const endpoint = await serve((_request, response) => {
    asked += 1;
    response.writeHead(200);
    response.write(`event: topology\ndata: ${TOPOLOGY}\n\n`);
    const newer = TOPOLOGY.replaceAll('"epoch":1', '"epoch":2');
    setTimeout(() => response.write(`event: topology\ndata: ${newer}\n\n`), 300);
  });
  const stop = new AbortController();
  ends.push(() => stop.abort());
  const provider = statusTopology({ endpoints: [endpoint] });
  const tools = { probe: () => Promise.reject(new Error("nothing is probed here")) };
  await new Promise<void>((resolve) => {
    const observe = ({ epoch }: { epoch: number | null }): void => {
      if (epoch === 1) provider.requestCheck("roleMismatch");
      else resolve();
    };
    provider.start({ observe, announce: () => {}, fault: () => {} }, stop.signal, tools);
  });
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  expect(asked).toBe(1);
});
