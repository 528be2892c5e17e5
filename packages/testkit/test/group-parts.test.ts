import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pickAddresses } from "../src/group/addresses.ts";
import { controlProcess, type ControlledProcess } from "../src/group/controlled-process.ts";
import { killAllIn, processesIn } from "../src/group/leftovers.ts";
import { startPodNetwork, type PodAddress, type PodNetwork } from "../src/group/pod-network.ts";

let directory = "";

beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), "group-")));
});
afterEach(() => {
  killAllIn(directory);
  rmSync(directory, { recursive: true, force: true });
});

function shell(script: string): ControlledProcess {
  return controlProcess(() => ({
    file: "sh",
    args: ["-c", script],
    cwd: directory,
    env: { PATH: "/usr/bin:/bin" },
    logFile: join(directory, "log"),
  }));
}

describe("a controlled process", () => {
  it("runs once however often it is started, and says how it ended", async () => {
    const one = shell("echo hello; exit 3");
    one.start();
    one.start();
    expect(await one.exited(5_000)).toEqual({ code: 3, signal: null });
    expect(readFileSync(join(directory, "log"), "utf8")).toBe("hello\n");
    expect(one.pid()).toBeNull();
    expect(one.signal("SIGTERM")).toBe(false);
  });

  it("is ended by SIGKILL when it does not heed the signal in time", async () => {
    const stubborn = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    stubborn.start();
    await vi.waitFor(() => expect(readFileSync(join(directory, "log"), "utf8")).toBe("ready\n"));
    expect(await stubborn.stop("SIGTERM", 50)).toEqual({ code: null, signal: "SIGKILL" });
  });

  it("is ended even when it is frozen", async () => {
    const frozen = shell("while :; do sleep 1; done");
    frozen.start();
    frozen.signal("SIGSTOP");
    const state = (): string => readFileSync(`/proc/${frozen.pid()}/stat`, "utf8");
    await vi.waitFor(() => expect(state()).toContain(") T "));
    expect(await frozen.stop("SIGTERM", 50)).toEqual({ code: null, signal: "SIGKILL" });
  });
});

describe("leftovers", () => {
  it("are found by their working directory, also without their parent, and ended", async () => {
    const parent = spawn("sh", ["-c", "sleep 60 & echo; exit 0"], {
      cwd: directory,
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
    });
    await new Promise((resolve) => {
      parent.once("exit", resolve);
    });
    expect(processesIn(directory)).toHaveLength(1);
    expect(processesIn(`${directory}-not`)).toEqual([]);
    killAllIn(directory);
    await vi.waitFor(() => expect(processesIn(directory)).toEqual([]));
  });
});

describe("the pods' network", () => {
  const PORT = 6379;
  let pods: readonly PodAddress[] = [];
  let network: PodNetwork;
  let servers: Server[] = [];

  /** Answers each chunk with itself. */
  function echo(host: string): Promise<Server> {
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.pipe(socket);
    });
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(PORT, host, () => resolve(server));
    });
  }

  function call(to: PodAddress, from?: PodAddress): Socket {
    const socket = connect({
      host: to.podHost,
      port: PORT,
      ...(from ? { localAddress: from.realHost } : {}),
    });
    socket.setEncoding("utf8");
    socket.on("error", () => undefined);
    return socket;
  }

  function said(socket: Socket): string[] {
    const chunks: string[] = [];
    socket.on("data", (chunk: string) => chunks.push(chunk));
    return chunks;
  }

  beforeEach(async () => {
    pods = await pickAddresses(3);
    servers = await Promise.all(pods.map((pod) => echo(pod.realHost)));
    network = await startPodNetwork(pods, [PORT]);
  });
  afterEach(async () => {
    await network.close();
    for (const server of servers) server.close();
  });

  it("carries both ways, and closes one end when the other is closed", async () => {
    const [a, b] = pods as [PodAddress, PodAddress];
    const socket = call(b, a);
    const answers = said(socket);
    socket.write("one");
    await vi.waitFor(() => expect(answers.join("")).toBe("one"));
    const closed = new Promise((resolve) => {
      socket.once("close", resolve);
    });
    servers[1]?.close();
    await network.close();
    await closed;
  });

  it("keeps silent what a cut member says, in both directions, and delivers it after the cut", async () => {
    const [a, b, c] = pods as [PodAddress, PodAddress, PodAddress];
    const out = call(b, a);
    const back = call(a, b);
    const beside = call(c, b);
    const heard = [said(out), said(back), said(beside)] as const;
    for (const socket of [out, back, beside]) socket.write("1");
    await vi.waitFor(() => expect(heard.map((chunks) => chunks.join(""))).toEqual(["1", "1", "1"]));
    network.cut(a.podHost);
    for (const socket of [out, back, beside]) socket.write("2");
    // What flows beside the cut has arrived: what is cut had the same time.
    await vi.waitFor(() => expect(heard[2].join("")).toBe("12"));
    expect([heard[0].join(""), heard[1].join("")]).toEqual(["1", "1"]);
    network.heal(a.podHost);
    await vi.waitFor(() =>
      expect(heard.map((chunks) => chunks.join(""))).toEqual(["12", "12", "12"]),
    );
    for (const socket of [out, back, beside]) socket.destroy();
  });

  it("lets new connections wait while a member is cut, and clients from elsewhere through", async () => {
    const [a, b] = pods as [PodAddress, PodAddress];
    network.cut(b.podHost);
    const member = call(b, a);
    const client = call(b);
    const heard = [said(member), said(client)] as const;
    member.write("m");
    client.write("c");
    await vi.waitFor(() => expect(heard[1].join("")).toBe("c"));
    expect(heard[0]).toEqual([]);
    network.heal(b.podHost);
    await vi.waitFor(() => expect(heard[0].join("")).toBe("m"));
    for (const socket of [member, client]) socket.destroy();
  });
});
