import { describe, expect, it } from "vitest";
import type { RoleCommand } from "@leasehold/replication";
import { otherRoleConnections } from "../src/client-list.ts";
import type { Reply } from "../src/connection.ts";
import { classifyRefusal, explainRefusal, nobodyListens } from "../src/errors.ts";
import { readOutcome, wireCommands, type ListedCommand } from "../src/role-commands.ts";

const lines = (command: ListedCommand): readonly string[] =>
  wireCommands(command).map((words) => words.join(" "));

const WHAT = "INFO replication";
const PROCESS = { runId: "a".repeat(40), pid: 7 };

describe("role commands on the wire", () => {
  it.each<[ListedCommand, readonly string[]]>([
    [
      { kind: "demote", cutClients: false },
      ["REPLICAOF 127.0.0.1 1", "CONFIG SET min-replicas-to-write 0", WHAT],
    ],
    [
      { kind: "demote", cutClients: true },
      [
        "REPLICAOF 127.0.0.1 1",
        "CONFIG SET min-replicas-to-write 0",
        "CLIENT KILL TYPE normal SKIPME yes",
        "CLIENT KILL TYPE pubsub SKIPME yes",
        "CLIENT UNPAUSE",
        WHAT,
      ],
    ],
    [
      { kind: "promote", epoch: 3, pauseMs: 9_999.5 },
      [
        "CONFIG SET min-replicas-to-write 0",
        "MULTI",
        "REPLICAOF NO ONE",
        "CLIENT PAUSE 10000 WRITE",
        "EXEC",
        WHAT,
      ],
    ],
    [
      { kind: "follow", upstream: { host: "fd00::7", port: 6379 }, bounce: false },
      ["REPLICAOF fd00::7 6379", WHAT],
    ],
    [
      { kind: "follow", upstream: { host: "10.0.0.7", port: 6379 }, bounce: true },
      ["MULTI", "REPLICAOF 127.0.0.1 1", "REPLICAOF 10.0.0.7 6379", "EXEC", WHAT],
    ],
    [{ kind: "pause", pauseMs: 500 }, ["CLIENT PAUSE 500 WRITE", WHAT]],
    [{ kind: "unpause" }, ["CLIENT UNPAUSE", WHAT]],
    [{ kind: "minReplicas", count: 2 }, ["CONFIG SET min-replicas-to-write 2", WHAT]],
    [
      { kind: "cutClients" },
      ["CLIENT KILL TYPE normal SKIPME yes", "CLIENT KILL TYPE pubsub SKIPME yes", WHAT],
    ],
  ])("%j", (command, expected) => {
    expect(lines(command)).toEqual(expected);
  });

  it("demote first and do everything else after, so that every prefix is a fence", () => {
    const [first] = lines({ kind: "demote", cutClients: true });
    expect(first).toBe("REPLICAOF 127.0.0.1 1");
  });

  it("pause nobody who is not promoted in the same step", () => {
    const kinds: readonly RoleCommand["kind"][] = ["promote", "pause"];
    const all: readonly ListedCommand[] = [
      { kind: "demote", cutClients: true },
      { kind: "follow", upstream: { host: "h", port: 1 }, bounce: true },
      { kind: "promote", epoch: 1, pauseMs: 1 },
      { kind: "pause", pauseMs: 1 },
      { kind: "unpause" },
      { kind: "cutClients" },
    ];
    const pausing = all.filter((one) => lines(one).some((line) => line.startsWith("CLIENT PAUSE")));
    expect(pausing.map(({ kind }) => kind)).toEqual(kinds);
  });
});

describe("outcome", () => {
  const ok = (value: unknown): Reply => ({ ok: true, value });
  const refused = (message: string): Reply => ({
    ok: false,
    refusal: classifyRefusal(message),
    message,
  });
  const INFO = ok(
    `role:slave\r\nslave_repl_offset:42\r\nmaster_replid:${"b".repeat(40)}\r\nmaster_repl_offset:42\r\n`,
  );

  it("says what Redis is after the command, and which process it was", () => {
    expect(readOutcome(PROCESS, [ok("OK"), INFO])).toEqual({
      ok: true,
      process: PROCESS,
      role: "replica",
      replid: "b".repeat(40),
      offset: 42,
    });
  });

  it.each([
    ["BUSY Redis is busy running a script", "busy"],
    ["LOADING Redis is loading the dataset in memory", "loading"],
    ["NOPERM this user has no permissions", "refused"],
    ["MASTERDOWN Link with MASTER is down", "refused"],
  ])("of %s is %s, whatever came after it", (message, error) => {
    expect(readOutcome(PROCESS, [ok("OK"), refused(message), INFO])).toEqual({
      ok: false,
      sent: true,
      error,
      message,
    });
  });

  it("of a transaction is the refusal that broke it, not EXECABORT", () => {
    const replies = [
      ok("OK"),
      refused("BUSY Redis is busy running a script"),
      refused("EXECABORT Transaction discarded because of previous errors."),
      INFO,
    ];
    expect(readOutcome(PROCESS, replies)).toMatchObject({ ok: false, error: "busy" });
  });

  it("is a failure when Redis does not say what it is", () => {
    expect(readOutcome(PROCESS, [ok("OK"), ok("")])).toMatchObject({
      ok: false,
      sent: true,
      message: "INFO lacks role",
    });
  });
});

describe("errors", () => {
  it("do not take a BUSYKEY or BUSYGROUP for a script", () => {
    expect(classifyRefusal("BUSYKEY Target key name already exists.")).toBe("refused");
    expect(classifyRefusal("BUSYGROUP Consumer Group name already exists")).toBe("refused");
  });

  it.each([
    ["NOAUTH Authentication required.", /give it the one of user leasehold/],
    ["WRONGPASS invalid username-password pair", /password of user leasehold/],
    ["NOPERM this user has no permissions to run 'info'", /give user leasehold this command/],
    ["DENIED Redis is running in protected mode", /set a password/],
  ])("of authentication say what to do: %s", (message, advice) => {
    expect(explainRefusal(message, "leasehold")).toMatch(advice);
    expect(classifyRefusal(message)).toBe("denied");
  });

  it("prove that nobody listens by two codes of the system only", () => {
    const withCode = (code: string): Error => Object.assign(new Error(code), { code });
    expect(nobodyListens(withCode("ECONNREFUSED"))).toBe(true);
    expect(nobodyListens(withCode("ENOENT"))).toBe(true);
    for (const code of ["ECONNRESET", "EPIPE", "EAGAIN", "EACCES", "ETIMEDOUT"]) {
      expect(nobodyListens(withCode(code))).toBe(false);
    }
    expect(nobodyListens(new Error("ECONNREFUSED"))).toBe(false);
  });
});

describe("CLIENT LIST", () => {
  const line = (id: number, name: string): string =>
    `id=${id} addr=/run/redis.sock:0 laddr=/run/redis.sock:0 fd=9 name=${name} age=3 cmd=info`;

  it("shows role connections other than our own, and nobody else", () => {
    const list = [
      line(3, "leasehold-role"),
      line(4, "leasehold-probe"),
      line(5, "leasehold-role"),
      line(6, ""),
      line(7, "leasehold-roles"),
      "",
    ].join("\n");
    expect(otherRoleConnections(list, 5)).toEqual([3]);
    expect(otherRoleConnections("", 5)).toEqual([]);
  });
});
