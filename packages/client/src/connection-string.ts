/**
 * A whole client in one line, for configuration and environment variables:
 * `leasehold://user:password@orders.shop.svc:6379/0?status=http://orders:8008&waitForLeaderMs=5000`.
 *
 * The host is the write Service; `leaseholds:` is TLS. Keys of the query are names of options; one
 * that is unknown is an error, and says which ones come near.
 */
import { InvalidOptionError } from "./errors.ts";
import type { LeaseholdOptions } from "./options.ts";
import { serviceTopology } from "./providers/service.ts";
import { statusTopology } from "./providers/status.ts";
import type { ReadPreferenceMode } from "./selection.ts";

const SPANS = [
  ...["waitForLeaderMs", "replyTimeoutMs", "timeoutMs", "blockingMarginMs", "connectTimeoutMs"],
  ...["handshakeTimeoutMs", "heartbeatIntervalMs", "drainMs", "reconnectSpreadMs", "maxQueued"],
  ...["durableConnections", "connectionsPerReplica", "readerMaxAgeMs"],
];
const TEXTS = ["readPreference", "zone"];
const PLACES = ["readers", "status"];
const KEYS = [...SPANS, ...TEXTS, ...PLACES];
const MODES = ["primary", "primaryPreferred", "replica", "replicaPreferred", "nearest"];

/** @throws InvalidOptionError without ever quoting the password */
export function parseConnectionString(text: string): LeaseholdOptions {
  const url = parse(text);
  const { searchParams: query } = url;
  for (const key of query.keys()) if (!KEYS.includes(key)) throw unknownKey(key);
  const writer = `${url.hostname}:${url.port || "6379"}`;
  const readers = query.get("readers");
  const status = query.get("status");
  const service = serviceTopology({ writer, ...(readers === null ? {} : { readers }) });
  const stream = status === null ? [] : [statusTopology({ endpoints: status.split(",") })];
  const spans: Record<string, number> = {};
  for (const name of SPANS) if (query.has(name)) spans[name] = spanOf(query, name);
  const mode = query.get("readPreference");
  if (mode !== null && !MODES.includes(mode)) {
    throw new InvalidOptionError("readPreference", `must be one of ${MODES.join(", ")}`);
  }
  const zone = query.get("zone");
  return {
    topology: [...stream, service],
    redis: {
      ...(url.username === "" ? {} : { username: decodeURIComponent(url.username) }),
      ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
      ...(url.protocol === "leaseholds:" ? { tls: {} } : {}),
      db: databaseOf(url),
    },
    ...spans,
    ...(mode === null ? {} : { readPreference: mode as ReadPreferenceMode }),
    ...(zone === null ? {} : { zone }),
  };
}

function parse(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && /^leaseholds?:$/.test(url.protocol) && url.hostname !== "") return url;
  const message = "is no leasehold://host:port/database or leaseholds://… for TLS";
  throw new InvalidOptionError("the connection string", message);
}

function databaseOf({ pathname }: URL): number {
  const name = pathname.slice(1);
  if (/^\d*$/.test(name)) return Number(name);
  throw new InvalidOptionError("database", `${JSON.stringify(name)} is no number`);
}

function spanOf(query: URLSearchParams, name: string): number {
  const value = Number(query.get(name));
  if (query.get(name) !== "" && Number.isFinite(value)) return value;
  throw new InvalidOptionError(name, `${JSON.stringify(query.get(name))} is no number`);
}

function unknownKey(key: string): InvalidOptionError {
  const near = KEYS.filter((known) => isNear(key.toLowerCase(), known.toLowerCase()));
  const advice =
    near.length > 0 ? `did you mean ${near.join(" or ")}?` : `known: ${KEYS.join(", ")}`;
  return new InvalidOptionError(key, `is no option of a connection string; ${advice}`);
}

/** One contains the other, or both begin alike. */
function isNear(one: string, other: string): boolean {
  return one.includes(other) || other.includes(one) || one.slice(0, 4) === other.slice(0, 4);
}
