import { connect, type AddressInfo } from "node:net";
import { request } from "node:http";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PromiseRequest } from "@leasehold/election";
import {
  readCredentialsAnswer,
  sealCredentials,
  type ChangeNotice,
} from "../src/peers/messages.ts";
import { createPeerClient, type PeerClient } from "../src/peers/peer-client.ts";
import { createPeerServer, type PeerServer } from "../src/peers/peer-server.ts";
import { createRoundGate } from "../src/peers/round-gate.ts";
import {
  derivePeerKey,
  isSignature,
  NONCE_HEADER,
  SIGNATURE_HEADER,
  signAnswer,
  signRequest,
} from "../src/peers/signature.ts";
import { REPORT } from "./fixtures.ts";

const KEY = derivePeerKey("secret", "orders");
const PROMISE: PromiseRequest = {
  holder: "orders-1_u1_n1",
  epoch: 7,
  round: 1,
  lineage: [{ epoch: 7, replid: "r7", startOffset: 5, parent: null }],
  asked: ["orders-0"],
  durationMs: 5_000,
  binding: true,
};

const TOLD = { user: "default", hash: "0a".repeat(32), leftMs: 5_000 };

let peer = { member: "orders-0", host: "127.0.0.1", peerPort: 0 };
let server: PeerServer;
let client: PeerClient;
let asked: PromiseRequest[] = [];
let hints = 0;
let notices: ChangeNotice[] = [];
let known: readonly Buffer[] = [KEY];

beforeEach(async () => {
  asked = [];
  hints = 0;
  notices = [];
  known = [KEY];
  server = createPeerServer({ keys: () => known, member: "orders-0" });
  await new Promise<void>((resolve) => {
    server.server.listen(0, "127.0.0.1", resolve);
  });
  peer = { ...peer, peerPort: (server.server.address() as AddressInfo).port };
  client = createPeerClient({ keys: () => [KEY], localAddress: undefined });
});
afterEach(async () => {
  vi.useRealTimers();
  client.close();
  server.server.closeAllConnections();
  await new Promise<void>((resolve) => {
    server.server.close(() => resolve());
  });
});

function answerEverything(): void {
  server.answer({
    report: () => Promise.resolve(REPORT),
    offset: (handover) =>
      Promise.resolve({ offset: 1_234, accepted: handover && `n.${handover.epoch}` }),
    hint: () => {
      hints += 1;
    },
    promise: (given) => {
      asked.push(given);
      return Promise.resolve({ yes: true, reason: "bound" });
    },
    credentials: () => ({ accepts: "f", uses: null, told: [TOLD] }),
    changing: (notice) => {
      notices.push(notice);
    },
  });
}

interface Raw {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
}

function send(path: string, body: string, headers: Record<string, string> = {}): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const options = { host: peer.host, port: peer.peerPort, path, method: "POST", headers };
    const sent = request(options, (response) => {
      response.resume();
      response.once("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers }),
      );
    });
    sent.once("error", reject);
    sent.end(body);
  });
}

function signedFor(to: string, path: string, body: string): Record<string, string> {
  const nonce = "a-nonce";
  const signature = signRequest(KEY, { path, to, nonce, body });
  return { [NONCE_HEADER]: nonce, [SIGNATURE_HEADER]: signature };
}

describe("members in the middle of a change of the secret", () => {
  const NEWER = derivePeerKey("changed", "orders");
  beforeEach(answerEverything);

  async function reportFrom(keys: readonly Buffer[]): Promise<unknown> {
    const other = createPeerClient({ keys: () => keys, localAddress: undefined });
    const report = await other.report(peer, 1_000);
    other.close();
    return report;
  }

  it("understand one another while either knows the other's secret", async () => {
    expect(await reportFrom([NEWER, KEY])).toEqual(REPORT);
    known = [NEWER, KEY];
    expect(await reportFrom([KEY])).toEqual(REPORT);
    known = [NEWER];
    expect(await reportFrom([NEWER, KEY])).toEqual(REPORT);
  });

  it("read what is sealed with the secret that they share", async () => {
    known = [NEWER, KEY];
    const answer = await client.credentials(peer, 1_000);
    expect(answer).toEqual({ accepts: "f", uses: null, told: [TOLD] });
  });

  it("refuse the old secret once they have forgotten it", async () => {
    known = [NEWER];
    expect(await reportFrom([KEY])).toBeNull();
  });

  it("ask with the secret first that was understood last", async () => {
    let refused = 0;
    server.server.on("request", (_request, response) => {
      response.once("finish", () => (refused += response.statusCode === 401 ? 1 : 0));
    });
    const other = createPeerClient({ keys: () => [NEWER, KEY], localAddress: undefined });
    for (let i = 0; i < 3; i += 1) expect(await other.report(peer, 1_000)).toEqual(REPORT);
    expect(refused).toBe(1);
    known = [NEWER];
    expect(await other.report(peer, 1_000)).toEqual(REPORT);
    other.close();
    expect(refused).toBe(2);
  });

  it("act on a request once, whichever secret it took", async () => {
    const other = createPeerClient({ keys: () => [NEWER, KEY], localAddress: undefined });
    expect(await other.promise(peer, PROMISE, 1_000)).toEqual({ yes: true, reason: "bound" });
    other.close();
    expect(asked).toEqual([PROMISE]);
  });
});

describe("what a member tells of its passwords", () => {
  const ANSWER = { accepts: "f", uses: "f", told: [TOLD] };
  const FOREIGN = derivePeerKey("secret", "another group");

  function sealed(told: readonly unknown[], key: Buffer): string {
    return JSON.stringify(sealCredentials({ ...ANSWER, told: told as [] }, key));
  }

  it("shows no hash to whoever listens", () => {
    const text = sealed([TOLD], KEY);
    expect(text).not.toContain(TOLD.hash);
    expect(Buffer.from(text, "base64url").toString("latin1")).not.toContain(TOLD.hash);
    expect(sealed([TOLD], KEY)).not.toBe(text);
    expect(readCredentialsAnswer(text, KEY)).toEqual(ANSWER);
  });

  it.each([
    ["by an older version", '{"accepts":"f","uses":"f"}'],
    ["with another key", sealed([TOLD], FOREIGN)],
    ["in part", '{"accepts":"f","uses":"f","sealed":"AAAA"}'],
    ["as what is no hash", sealed([{ ...TOLD, hash: "nopass +@all" }], KEY)],
  ])("is none if it is told %s, and the rest counts", (_words, text) => {
    expect(readCredentialsAnswer(text, KEY)).toEqual({ ...ANSWER, told: [] });
  });
});

describe("members that share the secret", () => {
  beforeEach(answerEverything);

  it("ask for reports, offsets and promises and believe the answers", async () => {
    expect(await client.report(peer, 1_000)).toEqual(REPORT);
    expect(await client.offset(peer, null, 1_000)).toEqual({ offset: 1_234, accepted: null });
    const handover = { from: "orders-0_u_n", epoch: 8 };
    const accepted = { offset: 1_234, accepted: "n.8" };
    expect(await client.offset(peer, handover, 1_000)).toEqual(accepted);
    const credentials = { accepts: "f", uses: null, told: [TOLD] };
    expect(await client.credentials(peer, 1_000)).toEqual(credentials);
    expect(await client.promise(peer, PROMISE, 1_000)).toEqual({ yes: true, reason: "bound" });
    expect(asked).toEqual([PROMISE]);
  });

  it("do not take another member's report for the one they asked for", async () => {
    server.answer({
      report: () => Promise.resolve({ ...REPORT, member: "orders-2" }),
      offset: () => Promise.resolve({ offset: null, accepted: null }),
      hint: () => undefined,
      promise: () => Promise.resolve(null),
      credentials: () => ({ accepts: null, uses: null, told: [] }),
      changing: () => undefined,
    });
    expect(await client.report(peer, 1_000)).toBeNull();
  });

  it("get no answer, instead of a wrong one, when the core does not decide", async () => {
    server.answer({
      report: () => Promise.resolve(REPORT),
      offset: () => Promise.resolve({ offset: null, accepted: null }),
      hint: () => undefined,
      promise: () => Promise.resolve(null),
      credentials: () => ({ accepts: null, uses: null, told: [] }),
      changing: () => undefined,
    });
    expect(await client.promise(peer, PROMISE, 1_000)).toBeNull();
    const silent = { offset: null, accepted: null };
    expect(await client.offset(peer, null, 1_000)).toEqual(silent);
  });

  it("hear of a change that another one has begun, and of none that is no notice", async () => {
    const notice = { epoch: 7, successor: "orders-2", deadlineMs: 500 };
    const told = { ...notice, from: "orders-1_u1_n1", round: 3 };
    await client.changing(peer, told, 1_000);
    await client.changing(peer, { ...told, round: 4, deadlineMs: 3_600_000 }, 1_000);
    expect(notices).toEqual([notice]);
  });

  it("do not hear of the same change again, whoever sends what was signed once more", async () => {
    const notice = { epoch: 7, successor: null, deadlineMs: 500 };
    const path = "/v1/changing";
    const body = JSON.stringify({ ...notice, from: "orders-1_u1_n1", round: 4 });
    const headers = signedFor("orders-0", path, body);
    expect((await send(path, body, headers)).status).toBe(200);
    expect((await send(path, body, headers)).status).toBe(200);
    expect(notices).toEqual([notice]);
  });

  it("are hinted at most each 50 ms, however often somebody asks", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    await Promise.all([1, 2, 3, 4, 5].map(() => client.hint(peer, 1_000)));
    expect(hints).toBe(1);
    vi.advanceTimersByTime(50);
    await client.hint(peer, 1_000);
    expect(hints).toBe(2);
  });
});

describe("whoever does not", () => {
  beforeEach(answerEverything);
  const body = JSON.stringify(PROMISE);

  it.each([
    ["no signature", {}],
    [
      "a signature of another key",
      {
        [NONCE_HEADER]: "n",
        [SIGNATURE_HEADER]: signRequest(derivePeerKey("other", "orders"), {
          path: "/v1/promise",
          to: "orders-0",
          nonce: "n",
          body,
        }),
      },
    ],
    ["a signature for another body", signedFor("orders-0", "/v1/promise", "{}")],
    ["a signature for another path", signedFor("orders-0", "/v1/report", body)],
    ["a signature for another member", signedFor("orders-1", "/v1/promise", body)],
  ])("gets 401 and nothing happens: %s", async (_name, headers) => {
    const answer = await send("/v1/promise", body, headers);
    expect(answer.status).toBe(401);
    expect(answer.headers[SIGNATURE_HEADER]).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it("gets 401 for a body beyond the bound, however it is signed", async () => {
    const long = JSON.stringify({ ...PROMISE, padding: "x".repeat(70_000) });
    const answer = await send("/v1/promise", long, signedFor("orders-0", "/v1/promise", long));
    expect(answer.status).toBe(401);
    expect(asked).toEqual([]);
  });

  it("cannot answer for a member: its answer is none", async () => {
    const stranger = createPeerClient({
      keys: () => [derivePeerKey("x", "orders")],
      localAddress: undefined,
    });
    expect(await stranger.report(peer, 1_000)).toBeNull();
    stranger.close();
  });

  it("cannot use a promise twice: a round that was asked before is refused", async () => {
    const headers = signedFor("orders-0", "/v1/promise", body);
    expect((await send("/v1/promise", body, headers)).status).toBe(200);
    expect((await send("/v1/promise", body, headers)).status).toBe(200);
    expect(asked).toHaveLength(1);
  });
});

it("who holds a connection and asks nothing is cut off, and one that has asked is not", async () => {
  answerEverything();
  await client.report(peer, 1_000);
  const silent = connect(peer.peerPort, peer.host);
  silent.on("error", () => undefined);
  const since = performance.now();
  await new Promise((resolve) => silent.once("close", resolve).resume());
  expect(performance.now() - since).toBeLessThan(4_000);
  const connections = await new Promise((resolve) => {
    server.server.getConnections((_error, count) => resolve(count));
  });
  expect(connections).toBe(1);
}, 10_000);

describe("a member that only starts", () => {
  it("holds its port and promises nothing", async () => {
    expect(await client.promise(peer, PROMISE, 1_000)).toBeNull();
    expect(await client.report(peer, 1_000)).toBeNull();
  });

  it("is no answer within the time-out when it is frozen", async () => {
    server.server.removeAllListeners("request");
    expect(await client.report(peer, 30)).toBeNull();
  });
});

describe("signatures", () => {
  it("of an answer hold for its own question alone", () => {
    const answer = { nonce: "n1", status: 200, body: "{}" };
    expect(signAnswer(KEY, answer)).not.toBe(signAnswer(KEY, { ...answer, nonce: "n2" }));
    expect(signAnswer(KEY, answer)).not.toBe(signAnswer(KEY, { ...answer, status: 503 }));
  });

  it("differ where parts only run together differently", () => {
    const base = { to: "orders-0", nonce: "n", body: "" };
    const one = signRequest(KEY, { ...base, path: "/v1/a", body: "b" });
    const other = signRequest(KEY, { ...base, path: "/v1/", body: "ab" });
    expect(one).not.toBe(other);
  });

  it("differ between groups with the same secret", () => {
    expect(derivePeerKey("secret", "orders")).not.toEqual(derivePeerKey("secret", "carts"));
  });

  it("are compared whatever the length of what is given", () => {
    expect(isSignature("abc", undefined)).toBe(false);
    expect(isSignature("abc", "abcd")).toBe(false);
    expect(isSignature("abc", "abc")).toBe(true);
  });
});

describe("the gate of rounds", () => {
  it("lets each asking process count on its own", () => {
    const isNew = createRoundGate();
    expect(isNew("a", 5)).toBe(true);
    expect(isNew("a", 5)).toBe(false);
    expect(isNew("a", 4)).toBe(false);
    expect(isNew("b", 1)).toBe(true);
    expect(isNew("a", 6)).toBe(true);
  });

  it("forgets the process that asked longest ago, not the one that asks", () => {
    const isNew = createRoundGate();
    isNew("busy", 1);
    for (let count = 0; count < 15; count += 1) isNew(`other-${count}`, 1);
    isNew("busy", 2);
    isNew("one-more", 1);
    expect(isNew("busy", 2)).toBe(false);
    expect(isNew("other-0", 1)).toBe(true);
  });
});
