/**
 * Every engine of the matrix starts with the configuration and the users that come of the chart's
 * values, elects and replicates, and refuses what it must.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createLoopbackCertificate } from "@leasehold/testkit/certificate";
import { engineServer, ENGINES, enginesSupport } from "@leasehold/cluster/engines";
import { startGroup, type Group, type GroupMember } from "@leasehold/testkit/group";
import { connect } from "@leasehold/testkit/workload";
import { find, GROUP, render } from "../render.ts";

const SUPPORT = enginesSupport();
const READY_MS = 30_000;
const PLAIN_PORT = 6380;

const VALUES = {
  auth: {
    existingSecret: "given",
    acl: { users: [{ name: "reporting", rules: "~report:* +@read", passwordKey: "reporting" }] },
  },
  config: { "maxmemory-policy": "allkeys-lru", save: ["900 1", "300 10"], hz: 20 },
  commonConfiguration: "tcp-backlog 256\nlatency-monitor-threshold 100",
  persistence: { mode: "rdb" },
  durability: { minReplicasToWrite: 1 },
  metrics: { exporter: { enabled: true } },
  tls: { enabled: true, existingSecret: "given", plaintextPort: 6380 },
};

const CA = createLoopbackCertificate({ name: "authority" });
const CERTIFICATE = createLoopbackCertificate({ name: "redis", issuer: CA });

const PASSWORDS: Readonly<Record<string, string>> = {
  "redis-password": "application",
  "leasehold-key": "k".repeat(40),
  reporting: "reporting",
};
const FILES: Readonly<Record<string, string>> = {
  ...PASSWORDS,
  "tls.crt": CERTIFICATE.certPem,
  "tls.key": CERTIFICATE.keyPem,
  "ca.crt": CA.certPem,
};

interface Bench {
  readonly group: Group;
  readonly leader: GroupMember;
  readonly replica: GroupMember;
  /** Where the Secrets and the exporters' files lie. */
  readonly folder: string;
  close(): Promise<void>;
}

async function startBench(engine: string): Promise<Bench> {
  const { data } = find(await render({ values: VALUES }), "ConfigMap", GROUP);
  const chart = JSON.parse(data["sidecar.json"]);
  const folder = mkdtempSync(join(tmpdir(), "leasehold-engines-"));
  for (const [name, text] of Object.entries(FILES)) {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  }
  // The paths of the pod, here.
  const here = (section: object, ordinal: number) =>
    JSON.parse(
      JSON.stringify(section)
        .replaceAll(/\/etc\/leasehold\/(secret|users|tls)\//g, `${folder}/`)
        .replaceAll("/run/leasehold-exporter/", `${folder}/${ordinal}-`),
    );
  const { election, durability, switchover, coldStart, persistence } = chart;
  const group = await startGroup({
    members: 2,
    engine,
    auth: (ordinal) => here(chart.auth, ordinal),
    tls: here(chart.redis.tls, 0),
    plaintextPort: chart.redis.plaintextPort,
    password: PASSWORDS["redis-password"]!,
    redisConfiguration: chart.redis.configuration,
    // Pods have other names here.
    settings: {
      election: { ...election, priorities: [] },
      durability,
      switchover,
      coldStart,
      persistence,
    },
  });
  const close = async (): Promise<void> => {
    await group.close();
    rmSync(folder, { recursive: true });
  };
  try {
    const leader = await group.leader(READY_MS);
    const replica = group.members.find((member) => member !== leader)!;
    await group.until("a replica in sync", READY_MS, async () => {
      const answer = await fetch(`${replica.httpUrl}/probe/ready`).catch(() => null);
      return answer?.status === 200;
    });
    return { group, leader, replica, folder, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The first word of Redis' answer, if it is an error; else "". */
async function ask(
  member: { readonly realHost: string; readonly port?: number },
  login: { readonly username?: string; readonly password: string },
  words: string,
): Promise<string> {
  const { password, ...user } = login;
  const address = { host: member.realHost, port: member.port ?? PLAIN_PORT, ...user };
  const redis = await connect({ address, password, deadlineMs: 2_000 });
  try {
    const [command = "", ...rest] = words.split(" ");
    await redis.call(command, ...rest);
    return "";
  } catch (error) {
    return String(error).replace(/^\w+: (\S+).*/s, "$1");
  } finally {
    redis.disconnect();
  }
}

/** What each user may, and what nobody but its better may. */
const TABLE = {
  default: {
    may: "SET k v|GET k|INCR n|EVAL return,1 0|PUBLISH c w|ROLE|INFO|CLIENT LIST|CLIENT SETNAME a|CONFIG GET hz|SLOWLOG GET|LATENCY LATEST|FLUSHALL|WAIT 0 1",
    mayNot:
      "REPLICAOF NO ONE|SHUTDOWN NOSAVE|CLIENT PAUSE 1|CLIENT KILL TYPE normal|CONFIG SET hz 10|CONFIG REWRITE|MONITOR|ACL LIST|ACL SETUSER x|MODULE LIST|BGREWRITEAOF|FAILOVER|PSYNC ? -1",
  },
  leasehold: {
    may: "INFO|CLIENT LIST|CLIENT ID|CONFIG SET hz 20",
    mayNot:
      "GET k|SET k v|KEYS *|FLUSHALL|EVAL return,1 0|SHUTDOWN NOSAVE|SUBSCRIBE c|CONFIG REWRITE|CONFIG GET hz|MODULE LIST|PSYNC ? -1|ACL LIST",
  },
  "leasehold-replication": {
    may: "PING|REPLCONF ACK 0",
    mayNot: "GET k|INFO|CONFIG GET masterauth|REPLICAOF NO ONE|CLIENT LIST",
  },
  "leasehold-exporter": {
    may: "PING|INFO ALL|SLOWLOG GET|LATENCY LATEST|CLIENT SETNAME x",
    mayNot:
      "GET k|CONFIG GET masterauth|CONFIG SET hz 10|PSYNC ? -1|CLIENT KILL TYPE normal|SCAN 0",
  },
  reporting: { may: "GET report:1|TTL report:1", mayNot: "GET k|SET report:1 v|CONFIG GET hz" },
} as const;

function loginsOf({ leader, folder }: Bench): Readonly<Record<keyof typeof TABLE, string>> {
  const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
  const { secrets } = read(join(leader.runDirectory, "credentials.json"));
  const exporter: Record<string, string> = read(join(folder, `${leader.ordinal}-passwords.json`));
  return {
    default: PASSWORDS["redis-password"]!,
    leasehold: secrets.agentPassword,
    "leasehold-replication": secrets.replicationPassword,
    "leasehold-exporter": Object.values(exporter)[0]!,
    reporting: PASSWORDS["reporting"]!,
  };
}

describe
  .skipIf(!SUPPORT.ok)
  .each(ENGINES.map((engine) => [`${engine.name} ${engine.major}`, engine] as const))(
  `%s${SUPPORT.ok ? "" : ` (${SUPPORT.why})`}`,
  (_title, engine) => {
    let server = "";
    let bench: Bench;

    beforeAll(async () => {
      server = await engineServer(engine);
      bench = await startBench(server);
    }, 300_000);
    afterAll(() => bench?.close());

    test("elects, replicates by TLS, and is the version that it should be", async () => {
      const { leader, replica } = bench;
      const application = { password: PASSWORDS["redis-password"]! };
      // The names in the certificate are those of no loopback address.
      const tls = { ca: CA.certPem, checkServerIdentity: () => undefined };
      const address = { host: leader.realHost, port: leader.redisPort, tls };
      const redis = await connect({ address, ...application, deadlineMs: 2_000 });
      onTestFinished(() => redis.disconnect());
      const info = await redis.info("server");
      expect(info).toMatch(new RegExp(`^${engine.name}_version:${engine.major}\\.`, "m"));
      await redis.call("SET", "report:1", "yes");
      expect(await redis.call("WAIT", "1", "2000")).toBe(1);
      expect(await redis.call("CONFIG", "GET", "maxmemory-policy")).toContain("allkeys-lru");
      expect(await redis.call("CONFIG", "GET", "tcp-backlog")).toContain("256");
      expect(await ask(replica, application, "GET report:1")).toBe("");
      expect(await ask(replica, application, "SET report:1 no")).toBe("READONLY");
    });

    test("every user may what it needs, and nothing of what it must not", async () => {
      const logins = loginsOf(bench);
      const wrong: string[] = [];
      for (const [username, { may, mayNot }] of Object.entries(TABLE)) {
        const login = { username, password: logins[username as keyof typeof TABLE] };
        for (const words of may.split("|")) {
          const answer = await ask(bench.leader, login, words.replaceAll(",", " "));
          if (answer === "NOPERM") wrong.push(`${username} may not ${words}`);
        }
        for (const words of mayNot.split("|")) {
          const answer = await ask(bench.leader, login, words);
          if (answer !== "NOPERM") wrong.push(`${username} may ${words} (${answer})`);
        }
      }
      expect(wrong).toEqual([]);
      await expect(ask(bench.leader, { password: "guessed" }, "PING")).rejects.toThrow("WRONGPASS");
    });

    test("boots closed: without a sidecar it takes no write, whatever it holds", async () => {
      const { leader } = bench;
      const folder = mkdtempSync(join(tmpdir(), "leasehold-boot-"));
      mkdirSync(join(folder, "data"));
      const rendered = readFileSync(join(leader.runDirectory, "redis.conf"), "utf8");
      expect(rendered).toMatch(/^replicaof 127\.0\.0\.1 1$/m);
      const file = join(folder, "redis.conf");
      const own = {
        port: "16379",
        "tls-port": "16380",
        unixsocket: join(folder, "s"),
        dir: join(folder, "data"),
      };
      let text = rendered;
      for (const [directive, value] of Object.entries(own)) {
        text = text.replaceAll(new RegExp(`^${directive} .*$`, "gm"), `${directive} ${value}`);
      }
      writeFileSync(file, text);
      const child = spawn(server, [file], { stdio: "ignore" });
      onTestFinished(async () => {
        child.kill("SIGKILL");
        await new Promise((resolve) => child.once("exit", resolve));
        rmSync(folder, { recursive: true });
      });
      const alone = { realHost: leader.realHost, port: 16_379 };
      const application = { password: PASSWORDS["redis-password"]! };
      await bench.group.until("the server", 10_000, () =>
        ask(alone, application, "PING").then(
          () => true,
          () => false,
        ),
      );
      expect(await ask(alone, application, "SET k v")).toBe("READONLY");
    });
  },
);
