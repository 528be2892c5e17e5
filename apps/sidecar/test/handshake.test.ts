import { describe, expect, it } from "vitest";
import { encodeCommand, takeCommands } from "../src/source/handshake.ts";

const PING = "*1\r\n$4\r\nPING\r\n";
const text = (bytes: Buffer | undefined): string => bytes?.toString("latin1") ?? "nothing";
const all = (...commands: readonly (readonly string[])[]): Buffer =>
  Buffer.concat(commands.map(encodeCommand));

describe("what a replica says to the source", () => {
  it("passes as it is, up to the question for the stream and what follows it", () => {
    const psync = encodeCommand(["PSYNC", "?", "-1"]);
    const rest = Buffer.from("whatever comes next");
    const taken = takeCommands(Buffer.concat([encodeCommand(["PING"]), psync, rest]));
    expect(text(taken?.passes)).toBe(`${PING}${text(psync)}`);
    expect(text(taken?.rest)).toBe("whatever comes next");
    expect(taken?.isOver).toBe(true);
  });

  it("holds neither the group's password nor where its member would be reached", () => {
    const capa = ["REPLCONF", "capa", "eof"];
    const taken = takeCommands(
      all(
        ["auth", "leasehold-replication", "secret"],
        ["REPLCONF", "listening-port", "6379"],
        ["replconf", "ip-address", "10.0.0.1"],
        capa,
      ),
    );
    expect(text(taken?.passes)).toBe(`${PING.repeat(3)}${text(encodeCommand(capa))}`);
    expect(taken?.isOver).toBe(false);
  });

  it("is put together from whatever pieces it comes in", () => {
    const bytes = all(["AUTH", "secret"], ["REPLCONF", "capa", "psync2"], ["PSYNC", "?", "-1"]);
    let passed = "";
    let rest: Buffer = Buffer.alloc(0);
    for (const byte of bytes) {
      const taken = takeCommands(Buffer.concat([rest, Buffer.from([byte])]));
      passed += text(taken?.passes);
      rest = taken?.rest ?? rest;
    }
    expect(passed).toBe(`${PING}${text(bytes.subarray(bytes.indexOf("*3")))}`);
    expect(rest).toHaveLength(0);
  });

  it.each([
    ["in words", Buffer.from("PING\r\n")],
    ["without a count", Buffer.from("*x\r\n")],
    ["without an end", Buffer.concat([Buffer.from("*1\r\n$99999\r\n"), Buffer.alloc(20_000)])],
  ])("is no replica's %s", (_what, bytes) => {
    expect(takeCommands(bytes)).toBeNull();
  });
});
