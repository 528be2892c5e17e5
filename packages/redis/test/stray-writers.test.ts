import { describe, expect, it } from "vitest";
import {
  commandInfo,
  listedClients,
  MAX_CUT,
  strayWriters,
  writingCommands,
} from "../src/stray-writers.ts";

const line = (id: number, command: string): string =>
  `id=${id} addr=10.0.0.9:1 laddr=10.0.0.1:6379 fd=9 name= age=3 idle=0 flags=N db=0 cmd=${command} user=default`;

const listOf = (...commands: readonly string[]) =>
  listedClients(commands.map((command, n) => line(n + 1, command)).join("\n") + "\n", 99);

const WRITING = writingCommands([
  ["set", -3, ["write", "denyoom"], 1, 1, 1],
  ["get", 2, ["readonly", "fast"], 1, 1, 1],
  ["xgroup|create", -5, ["write", "denyoom"]],
  ["eval", -3, ["noscript", "movablekeys"]],
  null,
]);

describe("stray writers", () => {
  it("are those whose last command was a write, and nobody who reads", () => {
    const clients = listOf("set", "get", "xgroup|create", "NULL", "nosuch", "set");
    expect(strayWriters(clients, WRITING)).toEqual([1, 3, 6]);
  });

  it("are those, too, who asked last whether a replica has their write", () => {
    const asked = writingCommands([["wait", 3, ["blocking"]], ["waitaof", 4, ["blocking"]], null]);
    expect(strayWriters(listOf("get", "wait", "waitaof", "exec"), asked)).toEqual([2, 3]);
  });

  it("are whoever ran a script or a transaction only where no plain write explains a refusal", () => {
    expect(strayWriters(listOf("get", "eval", "exec", "eval_ro"), WRITING)).toEqual([2, 3]);
    expect(strayWriters(listOf("get", "eval", "exec", "set"), WRITING)).toEqual([4]);
    expect(strayWriters(listOf("get", "eval", "exec", "set"), WRITING, true)).toEqual([4, 2, 3]);
  });

  it("are never our own connection, and a bounded number at a time", () => {
    expect(listedClients(`${line(7, "exec")}\n${line(8, "set")}\n`, 7)).toEqual([
      { id: 8, command: "set" },
    ]);
    const many = listOf(...Array.from({ length: MAX_CUT + 5 }, () => "set"));
    expect(strayWriters(many, WRITING)).toHaveLength(MAX_CUT);
  });

  it("are told apart by what the server says of each command once", () => {
    expect(commandInfo(listOf("get", "set", "get"))).toEqual(["COMMAND", "INFO", "get", "set"]);
    expect(commandInfo([])).toBeNull();
    expect(writingCommands("nonsense").size).toBe(0);
  });
});
