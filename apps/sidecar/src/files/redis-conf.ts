/**
 * Renders `redis.conf` into the run directory: the boot gate (`replicaof 127.0.0.1 1`) and all
 * that Leasehold owns. Redis is never asked to rewrite it.
 *
 * Guarantees: a Redis that starts with this file accepts no write; lines of the user cannot
 * replace one of Leasehold's. Does not check whether the engine understands the user's lines.
 */
import { join } from "node:path";
import { aclFilePath } from "../auth/acl.ts";
import { directivesOf } from "../live/directives.ts";
import { REPLICATION_USER } from "../auth/users.ts";
import type { Settings } from "../settings/schema.ts";
import { certificatePaths } from "../tls/certificates.ts";
import { socketPath } from "../settings/member-config.ts";

/** How people and replicas get in. */
export type RedisAccess =
  /** One password for all; empty: none. */
  | { readonly password: string }
  /** Users of users.acl; replicas prove themselves as one of them. */
  | { readonly replicationPassword: string };

const USER_LINES = "# redis.configuration:";

/** Directives that only Leasehold sets; a user's line with one of them is refused. */
const RESERVED = new RegExp(
  `^(${[
    // Roles, addresses, secrets, files: the sidecar's business.
    "replicaof|slaveof|masterauth|masteruser|requirepass|user|aclfile|port|bind|tls-.*",
    "unixsocket.*|dir|daemonize|include|rename-command|pidfile|supervised|cluster-enabled",
    "replica-read-only|slave-read-only|replica-announce-.*|slave-announce-.*",
    // What the protocol's promises rest on.
    "appendonly|appendfsync|min-replicas-.*|min-slaves-.*|repl-backlog-ttl|repl-diskless-.*",
    "busy-reply-threshold|lua-time-limit|shutdown-timeout",
  ].join("|")})$`,
  "i",
);

/** The file's text. Throws an Error that names the line if a user's line is reserved. */
export function renderRedisConf(settings: Settings, access: RedisAccess): string {
  const { redis, persistence, directories, announce, member } = settings;
  const lines = [
    "# Written by Leasehold at each start of its sidecar; changes are overwritten.",
    "daemonize no",
    `bind ${redis.bind.join(" ")}`,
    ...(redis.tls ? tlsLines(settings, redis.tls) : [`port ${redis.port}`]),
    `unixsocket ${quote(socketPath(settings))}`,
    "unixsocketperm 770",
    "protected-mode no",
    `dir ${quote(directories.data)}`,
    "",
    "# The boot gate: nobody writes here before a leader's sidecar says so.",
    "replicaof 127.0.0.1 1",
    "replica-read-only yes",
    `replica-announce-ip ${announce.host || member.host}`,
    `replica-announce-port ${announce.port ?? redis.port}`,
    `repl-backlog-size ${backlogSize(redis.configuration)}`,
    "repl-backlog-ttl 0",
    "repl-diskless-sync yes",
    // Long enough for several replicas to share one copy, short enough not to be the wait.
    "repl-diskless-sync-delay 1",
    `min-replicas-max-lag ${settings.durability.minReplicasMaxLagSeconds}`,
    "",
    ...persistenceLines(persistence),
    "",
    ...(atLeast(redis.engineVersion, 7)
      ? ["busy-reply-threshold 1000", "shutdown-timeout 10"]
      : ["lua-time-limit 1000"]),
    ...accessLines(settings, access),
    "",
    USER_LINES,
    ...checkUserLines(redis.configuration, persistence.mode),
  ];
  return `${lines.join("\n")}\n`;
}

export function redisConfPath(settings: Settings): string {
  return join(settings.directories.run, "redis.conf");
}

const LARGEST_BACKLOG_BYTES = 64 * 1024 * 1024;
const SMALLEST_BACKLOG_BYTES = 1024 * 1024;
/** The data has the rest. */
const BACKLOG_PART = 1 / 4;

/**
 * The backlog counts as used memory, and fills with whatever is written: in little memory it would
 * in the end leave none, and Redis would refuse every write, or evict every key.
 */
function backlogSize(lines: readonly string[]): string {
  const limit = directivesOf(lines).find(({ name }) => name === "maxmemory");
  const part = Math.floor(bytesOf(limit?.value.split(" ").at(-1) ?? "") * BACKLOG_PART);
  if (part <= 0 || part >= LARGEST_BACKLOG_BYTES) return "64mb";
  return String(Math.max(SMALLEST_BACKLOG_BYTES, part));
}

const UNITS: Readonly<Record<string, number>> = {
  ...{ "": 1, b: 1, k: 1000, m: 1000 ** 2, g: 1000 ** 3 },
  ...{ kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 },
};

/** As Redis reads amounts of memory; 0: not at all. */
function bytesOf(text: string): number {
  const [, count = "", unit = ""] = /^(\d+)([a-z]*)$/.exec(text.toLowerCase()) ?? [];
  return Number(count) * (UNITS[unit] ?? 0);
}

function persistenceLines(persistence: Settings["persistence"]): readonly string[] {
  if (persistence.mode === "none") return ["appendonly no", 'save ""'];
  if (persistence.mode === "rdb") return ["appendonly no"];
  return ["appendonly yes", `appendfsync ${persistence.fsync}`, 'save ""'];
}

function accessLines(settings: Settings, access: RedisAccess): readonly string[] {
  if ("replicationPassword" in access) {
    return [
      `aclfile ${quote(aclFilePath(settings))}`,
      `masteruser ${REPLICATION_USER}`,
      `masterauth ${quote(access.replicationPassword)}`,
    ];
  }
  const { password } = access;
  return password === "" ? [] : [`requirepass ${quote(password)}`, `masterauth ${quote(password)}`];
}

type Tls = NonNullable<Settings["redis"]["tls"]>;

/** The files are copies in the run directory (../tls/certificates.ts). */
function tlsLines(settings: Settings, { authClients }: Tls): readonly string[] {
  const { redis } = settings;
  const { pair, ca } = certificatePaths(settings);
  return [
    `port ${redis.plaintextPort}`,
    `tls-port ${redis.port}`,
    "tls-replication yes",
    `tls-cert-file ${quote(pair)}`,
    `tls-key-file ${quote(pair)}`,
    `tls-ca-cert-file ${quote(ca)}`,
    `tls-auth-clients ${authClients}`,
  ];
}

/** The lines of the user in a rendered file; null: it has none of our form. */
export function userLinesOf(text: string): readonly string[] | null {
  const lines = text.trimEnd().split("\n");
  const begin = lines.indexOf(USER_LINES);
  return begin === -1 ? null : lines.slice(begin + 1);
}

/** The same lines. Throws an Error that names the first one that is Leasehold's to set. */
export function checkUserLines(lines: readonly string[], mode: string): readonly string[] {
  for (const line of lines) {
    if (/[\r\n]/.test(line)) {
      const first = line.trim().split(/[\r\n]/, 1)[0];
      throw new Error(
        `redis.configuration: the entry that begins with \`${first}\` has a line break: ` +
          `write one entry for each line, without a newline at its end.`,
      );
    }
    const directive = /^\s*([^\s#]\S*)/.exec(line)?.[1]?.toLowerCase() ?? "";
    // Redis takes quotes and escapes, also within a word: what is compared must be what it reads.
    if (/[^\w.-]/.test(directive)) {
      throw new Error(
        `redis.configuration: \`${directive}\` is no name of a directive: write it without quotes.`,
      );
    }
    if (RESERVED.test(directive) || (mode !== "rdb" && directive === "save")) {
      throw new Error(
        `redis.configuration: \`${directive}\` is managed by Leasehold; remove the line.`,
      );
    }
  }
  return lines;
}

function atLeast(version: string, major: number): boolean {
  return Number.parseInt(version, 10) >= major;
}

/** Redis' own quoting: what could end a quoted word is escaped. */
function quote(text: string): string {
  const escaped = text.replaceAll(/["\\]/g, String.raw`\$&`).replaceAll("\n", String.raw`\n`);
  return `"${escaped}"`;
}
