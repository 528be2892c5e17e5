import { connect, type AddressInfo, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Topology, TopologyNode } from "../src/http/topology.ts";
import { answerSentinel } from "../src/sentinel/answers.ts";
import { parseRequest, renderReply } from "../src/sentinel/protocol.ts";
import { createSentinelPort, type SentinelPort } from "../src/sentinel/server.ts";

function node(ordinal: number, more: Partial<TopologyNode> = {}): TopologyNode {
  return {
    ...{ id: `orders-${ordinal}`, host: `10.0.0.${ordinal}`, port: 6379, role: "replica" },
    ...{ state: "up", inSync: true, replicationId: "r", offset: 9, lagBytes: 0 },
    ...{ observedMsAgo: 500, ineligible: null },
    ...more,
  };
}

const TOPOLOGY: Topology = {
  apiVersion: "leasehold.dev/v1",
  group: "orders",
  namespace: "shop",
  reportedBy: "orders-0",
  epoch: 7,
  leader: { id: "orders-0", host: "10.0.0.0", port: 6379, epoch: 7, lineage: [] },
  holder: "orders-0_u_n",
  paused: false,
  failsafe: false,
  trouble: null,
  expectedNodes: 3,
  nodes: [node(0, { role: "primary" }), node(1), node(2, { inSync: false })],
};

const ask = (words: string, topology = TOPOLOGY): string =>
  renderReply(
    answerSentinel(words.split(" "), { topology, masterSet: "mymaster", port: 26_379 }),
    2,
  ).replaceAll("\r\n", " ");

describe("a question to Sentinel", () => {
  it("for the address gets the published one, and none while nobody leads", () => {
    expect(ask("get-master-addr-by-name mymaster")).toBe("*2 $8 10.0.0.0 $4 6379 ");
    expect(ask("GET-MASTER-ADDR-BY-NAME mymaster", { ...TOPOLOGY, leader: null })).toBe("*-1 ");
    expect(ask("get-master-addr-by-name other")).toBe("*-1 ");
  });

  it("for the replicas gets the others, and which of them are not in sync", () => {
    for (const question of ["replicas", "slaves"]) {
      const answer = ask(`${question} mymaster`);
      expect(answer.startsWith("*2 ")).toBe(true);
      expect(answer).toContain("$13 10.0.0.1:6379");
      expect(answer).not.toContain("10.0.0.0:6379");
      expect(answer.match(/slave,s_down,disconnected/g)).toHaveLength(1);
    }
  });

  it("for the Sentinels gets the other members' ports", () => {
    const answer = ask("sentinels mymaster");
    expect(answer).toContain("10.0.0.1:26379");
    expect(answer).not.toContain("10.0.0.0:26379");
  });

  it("for the quorum says whether somebody leads", () => {
    expect(ask("ckquorum mymaster")).toMatch(/^\+OK 3 usable Sentinels/);
    expect(ask("ckquorum mymaster", { ...TOPOLOGY, leader: null })).toMatch(/^-NOQUORUM /);
  });

  it.each(["master mymaster", "masters"])("%s tells number and address", (question) => {
    const answer = ask(question);
    for (const words of ["mymaster", "10.0.0.0", "num-other-sentinels $1 2", "quorum $1 2"]) {
      expect(answer).toContain(words);
    }
    expect(ask(question, { ...TOPOLOGY, leader: null })).toMatch(/^(\*0|-ERR) /);
  });

  it.each([
    ["master other", "-ERR No such master"],
    ["failover mymaster", "-ERR Leasehold only answers questions: no SENTINEL failover"],
    ["set mymaster quorum 1", "-ERR Leasehold only answers questions"],
    ["a\r\nb", "-ERR Leasehold only answers questions: no SENTINEL a??b"],
    ["constructor mymaster", "-ERR Leasehold only answers questions"],
  ])("%s is refused", (question, words) => {
    expect(ask(question)).toContain(words);
  });
});

describe("the protocol", () => {
  it("takes a request apart when all of it is there", () => {
    const text = "*2\r\n$4\r\nPING\r\n$2\r\nhi\r\n*1\r\n";
    const parsed = parseRequest(Buffer.from(text));
    expect(parsed).toMatchObject({ words: ["PING", "hi"], rest: Buffer.from("*1\r\n") });
    for (let length = 0; length < 22; length += 1) {
      expect(parseRequest(Buffer.from(text.slice(0, length)))).toBeNull();
    }
  });

  it.each(["GET / HTTP/1.1\r\n", "*65\r\n", "*1\r\n$1025\r\n", "*1\r\n:1\r\n", "x".repeat(40)])(
    "refuses %j before more of it comes",
    (text) => {
      expect(parseRequest(Buffer.from(text))).toHaveProperty("invalid");
    },
  );

  it("knows maps, nothing and messages in version 3", () => {
    expect(renderReply({ fields: [["a", 1]] }, 3)).toBe("%1\r\n$1\r\na\r\n:1\r\n");
    expect(renderReply(null, 3)).toBe("_\r\n");
    expect(renderReply({ event: ["message"] }, 3)).toBe(">1\r\n$7\r\nmessage\r\n");
    expect(renderReply([], 3)).toBe("*0\r\n");
  });
});

describe("the port", () => {
  let topology = TOPOLOGY;
  let sentinel: SentinelPort;
  let port = 0;
  const sockets: Socket[] = [];

  beforeEach(async () => {
    topology = TOPOLOGY;
    const view = { current: () => topology, refresh: () => Promise.resolve() };
    sentinel = createSentinelPort({ masterSet: "mymaster", port: 26_379, view });
    await new Promise<void>((resolve) => {
      sentinel.server.listen(0, "127.0.0.1", resolve);
    });
    port = (sentinel.server.address() as AddressInfo).port;
    sentinel.turned();
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    sentinel.close();
  });

  function open() {
    const socket = connect(port, "127.0.0.1");
    sockets.push(socket);
    const heard = { text: "", isClosed: false };
    socket.on("data", (chunk) => (heard.text += chunk.toString()));
    socket.on("close", () => (heard.isClosed = true));
    socket.on("error", () => undefined);
    const send = (...words: string[]) => socket.write(renderReply(words, 2));
    return { socket, heard, send };
  }

  it("tells subscribers of a new leader once, and nobody of one that is the same", async () => {
    const [channel, pattern, other] = [open(), open(), open()];
    channel.send("SUBSCRIBE", "+switch-master");
    pattern.send("PSUBSCRIBE", "*");
    other.send("SUBSCRIBE", "+sdown");
    await vi.waitFor(() => expect(other.heard.text).toContain("+sdown"));
    await vi.waitFor(() => expect(pattern.heard.text).toContain("psubscribe"));
    topology = { ...TOPOLOGY, leader: null };
    sentinel.turned();
    topology = {
      ...TOPOLOGY,
      leader: { id: "orders-1", host: "10.0.0.1", port: 6379, epoch: 7, lineage: [] },
    };
    sentinel.turned();
    sentinel.turned();
    const words = "mymaster 10.0.0.0 6379 10.0.0.1 6379";
    await vi.waitFor(() => expect(channel.heard.text.split(words)).toHaveLength(2));
    await vi.waitFor(() => expect(pattern.heard.text.split(words)).toHaveLength(2));
    expect(other.heard.text).not.toContain(words);
    channel.send("PING");
    await vi.waitFor(() => expect(channel.heard.text).toContain("$4\r\npong"));
  });

  it("answers requests in their order, also when many come at once", async () => {
    const { heard, send } = open();
    send("CLIENT", "SETNAME", "x");
    send("SENTINEL", "get-master-addr-by-name", "mymaster");
    send("PING");
    send("HELLO", "4");
    send("SET", "k", "v");
    await vi.waitFor(() => expect(heard.text).toContain("unknown command"));
    expect(heard.text).toMatch(
      /^\+OK\r\n\*2\r\n[^]*\+PONG\r\n-NOPROTO[^]*-ERR unknown command 'SET'/,
    );
  });

  it("drops who sends nonsense, too much, or asks for too many channels", async () => {
    const [nonsense, flood, many] = [open(), open(), open()];
    nonsense.socket.write("GET / HTTP/1.1\r\n\r\n");
    flood.socket.write(`*1\r\n$1024\r\n${"x".repeat(900)}`);
    flood.socket.write("y".repeat(40_000));
    many.send("SUBSCRIBE", ...Array.from({ length: 20 }, (_, index) => `c${index}`));
    for (const { heard } of [nonsense, flood, many]) {
      await vi.waitFor(() => expect(heard.isClosed).toBe(true));
      expect(heard.text).toContain("-ERR");
    }
  });

  it("takes no connection beyond its number", async () => {
    const all = Array.from({ length: 256 }, () => open());
    for (const { send } of all) send("PING");
    await vi.waitFor(() => expect(all.every(({ heard }) => heard.text !== "")).toBe(true));
    const late = open();
    await vi.waitFor(() => expect(late.heard.isClosed).toBe(true));
    expect(late.heard.text).toBe("");
  });
});
