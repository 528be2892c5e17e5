/**
 * Reads `INFO`: the one file that knows the wire's words for primary and replica, and where the
 * engines differ.
 *
 * Guarantees: nothing is guessed. A text that lacks a field, or holds an offset that is no exact
 * number, gives its complaint instead of an observation. Does not judge what it reads.
 *
 * Where the engines differ, and what is made of it (R = Redis, V = Valkey):
 *
 * | field                      | R 6.2 | R 7.0–7.4 | R 8     | V 8, 9          | here               |
 * |----------------------------|-------|-----------|---------|-----------------|--------------------|
 * | `async_loading`            | –     | yes       | yes     | yes             | missing = 0        |
 * | `slave_read_repl_offset`   | –     | yes       | yes     | yes             | not read           |
 * | `slaveN:… type=`           | –     | –         | –       | `replica`, or   | only `replica`     |
 * |                            |       |           |         | two channels    | counts             |
 * | `slaveN:… state=` in sync  | `send_bulk`, `wait_bgsave` | `send_bulk_and_stream`  | only `online`      |
 * | `dbN:keys=…` is followed by| 2     | 2         | 3 words | 2, in V 9 3     | only `keys` read   |
 * | `errorstat_READONLY`       | yes, and no line before the first; more kinds than | missing = 0, else  |
 * |                            | 128 end it (R 7.2, V 8)                            | nothing is known   |
 * | version                    | `redis_version`           || it is 7.2.4 for         | `valkey_version`   |
 * |                            |       |           |         | ever            | goes first         |
 * | offset after AOF restart   | 0     | 0         | not 0   | 0               | replid is new, too |
 * | offset before any sync     | `slave_repl_offset:1`, `master_repl_offset:0` in all    | 0                  |
 *
 * Checked with recorded texts of Redis 7.0 and 8.0, Valkey 8.1 and 9.1.
 */
import type { RedisInfo, RedisProcess, RedisUsage } from "./observation.ts";

/** The part of `INFO` that a role command is answered with (section `replication`). */
export type ReplicationInfo = Pick<RedisInfo, "role" | "replid" | "offset">;

/** What is wrong with the text, for a log line. */
export interface Unreadable {
  readonly unreadable: string;
}

/** Reads a whole `INFO`. */
export function parseInfo(text: string): RedisInfo | Unreadable {
  return reading(() => {
    const fields = readFields(text);
    const replica = isReplica(fields);
    const replid2 = required(fields, "master_replid2");
    return {
      ...processOf(fields),
      ...replicationOf(fields),
      replid2: /^0+$/.test(replid2) ? null : replid2,
      secondOffset: integer(fields, "second_repl_offset"),
      keys: keysOf(fields),
      loading: integer(fields, "loading") !== 0,
      upstream: replica
        ? { host: required(fields, "master_host"), port: integer(fields, "master_port") }
        : null,
      linkUp: replica && required(fields, "master_link_status") === "up",
      syncing:
        (replica && integer(fields, "master_sync_in_progress") !== 0) ||
        (fields.get("async_loading") ?? "0") !== "0",
      rewriting:
        integer(fields, "aof_rewrite_in_progress") !== 0 ||
        integer(fields, "aof_rewrite_scheduled") !== 0,
      connectedReplicas: attachedReplicasOf(fields),
      diskOk:
        required(fields, "aof_last_write_status") === "ok" &&
        required(fields, "rdb_last_bgsave_status") === "ok",
      refusedWrites: refusedWritesOf(fields),
      version: versionOf(fields),
      usage: usageOf(fields),
    };
  });
}

/**
 * Kinds of errors that did not happen yet have no line; where no kind is counted (before 6.2, or
 * after more kinds than an engine keeps apart), there is nothing to compare.
 */
function refusedWritesOf(fields: Fields): number | null {
  const overflow = ["errorstat_ERRORSTATS_DISABLED", "errorstat_ERRORSTATS_OVERFLOW"];
  if (overflow.some((name) => fields.has(name))) return null;
  if (!fields.has("total_error_replies")) return null;
  const count = /^count=(\d+)$/.exec(fields.get("errorstat_READONLY") ?? "count=0")?.[1];
  return count === undefined ? null : Number(count);
}

/** What is only shown may be missing: no member is judged by it. */
function usageOf(fields: ReadonlyMap<string, string>): RedisUsage | null {
  const number = (name: string): number => Number(fields.get(name) ?? Number.NaN);
  const usage = {
    memoryBytes: number("used_memory"),
    maxMemoryBytes: number("maxmemory"),
    clients: number("connected_clients"),
    commands: number("total_commands_processed"),
    evictedKeys: number("evicted_keys"),
  };
  return Object.values(usage).every(Number.isFinite) ? usage : null;
}

/** Reads `INFO replication`. */
export function parseReplicationInfo(text: string): ReplicationInfo | Unreadable {
  return reading(() => replicationOf(readFields(text)));
}

/** Reads `INFO server`. */
export function parseServerInfo(text: string): RedisProcess | Unreadable {
  return reading(() => processOf(readFields(text)));
}

type Fields = ReadonlyMap<string, string>;

/** A field that is missing or no number; never leaves this file. */
class UnreadableField extends Error {}

function reading<T>(read: () => T): T | Unreadable {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnreadableField) return { unreadable: error.message };
    throw error;
  }
}

function readFields(text: string): Fields {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trimEnd());
  }
  return fields;
}

function processOf(fields: Fields): RedisProcess {
  return { runId: required(fields, "run_id"), pid: integer(fields, "process_id") };
}

function replicationOf(fields: Fields): ReplicationInfo {
  const replica = isReplica(fields);
  const written = integer(fields, "master_repl_offset");
  // Before any sync a replica claims offset 1: the byte that it would ask for, not one it has.
  const applied = replica && written > 0 ? integer(fields, "slave_repl_offset") : written;
  return {
    role: replica ? "replica" : "primary",
    replid: required(fields, "master_replid"),
    offset: applied,
  };
}

function isReplica(fields: Fields): boolean {
  const role = required(fields, "role");
  if (role === "slave") return true;
  if (role === "master") return false;
  throw new UnreadableField(`INFO says role:${role}; expected master or slave`);
}

function keysOf(fields: Fields): number {
  let keys = 0;
  for (const [name, value] of fields) {
    if (!/^db\d+$/.test(name)) continue;
    keys += Number(/^keys=(\d+)/.exec(value)?.[1] ?? Number.NaN);
  }
  if (!Number.isSafeInteger(keys)) throw new UnreadableField("INFO has a dbN line without keys=N");
  return keys;
}

/** Replicas that get the stream; the second connection of a sync is none. */
function attachedReplicasOf(fields: Fields): number {
  let attached = 0;
  for (const [name, value] of fields) {
    if (!/^slave\d+$/.test(name)) continue;
    const words = value.split(",");
    const type = words.find((word) => word.startsWith("type="));
    if (words.includes("state=online") && (type === undefined || type === "type=replica")) {
      attached += 1;
    }
  }
  return attached;
}

function versionOf(fields: Fields): string {
  const valkey = fields.get("valkey_version");
  return valkey === undefined ? required(fields, "redis_version") : `valkey ${valkey}`;
}

function required(fields: Fields, name: string): string {
  const value = fields.get(name);
  if (value === undefined || value === "") throw new UnreadableField(`INFO lacks ${name}`);
  return value;
}

function integer(fields: Fields, name: string): number {
  const text = required(fields, name);
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new UnreadableField(`INFO says ${name}:${text}; expected a whole number below 2^53`);
  }
  return value;
}
