/**
 * Every key that a sidecar can be told, once: type, bounds, default, and what it is for.
 *
 * The descriptions feed `docs/configuration.md`. What contradicts itself between keys is the
 * matter of `contradictions.ts` here and of `configProblems` in @leasehold/replication.
 */
import * as v from "valibot";

const text = v.pipe(v.string(), v.nonEmpty("must not be empty"));
const host = text;
const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535));
const milliseconds = v.pipe(v.number(), v.integer(), v.minValue(1));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** What applications, their queues and exporters ask for, and nothing that changes a role. */
const DEFAULT_USER_RULES =
  "~* &* +@all -@admin +role +client|list +config|get +slowlog|get +slowlog|len " +
  "+latency|latest +latency|history";

const PORTS = { redis: 6379, http: 8008, peers: 8009, sentinel: 26_379 } as const;

const Member = v.strictObject({
  name: described(v.pipe(text, v.regex(/-\d+$/, "must end in -<ordinal>")), "The pod's name"),
  podUid: described(text, "The pod's UID: a pod of the same name is another one"),
  host: described(host, "The pod's IP: where the others reach Redis and the members' port"),
  hosts: described(
    v.optional(v.string(), ""),
    "All IPs of the pod, with commas between: on a dual-stack network clients of the other " +
      "family are led to the other one",
  ),
  priority: described(v.optional(count, 100), "0: never leader. Higher wins among equal copies"),
  nodeName: described(v.optional(v.string(), ""), "The pod's node, for topology-aware balancers"),
  revision: described(
    v.optional(v.string(), ""),
    "The pod's controller-revision-hash: a newer one is the better successor",
  ),
});

const Tls = v.strictObject({
  certFile: described(text, "Certificate of this server, PEM"),
  keyFile: described(text, "Its private key, PEM"),
  caFile: described(text, "Who signed the members' certificates, PEM"),
  authClients: described(
    v.optional(v.picklist(["no", "optional", "yes"]), "no"),
    "Whether clients must show a certificate",
  ),
});

const SourceTls = v.strictObject({
  caFile: described(
    v.optional(v.string(), ""),
    "Who signed its certificate, PEM; empty: whom Node trusts",
  ),
  serverName: described(
    v.optional(v.string(), ""),
    "The name that its certificate must have; empty: source.host",
  ),
  certFile: described(v.optional(v.string(), ""), "Certificate shown to it, PEM; empty: none"),
  keyFile: described(v.optional(v.string(), ""), "Its private key, PEM"),
});

const Redis = v.strictObject({
  socket: described(
    v.optional(v.string(), ""),
    "Unix socket to Redis; empty: <directories.run>/redis.sock",
  ),
  bind: described(v.optional(v.array(host), ["*", "-::*"]), "Addresses that Redis listens on"),
  port: described(v.optional(port, PORTS.redis), "Port that Redis listens on"),
  plaintextPort: described(
    v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)), 0),
    "With TLS: one more port without it, while clients move; 0: none",
  ),
  username: described(v.optional(v.string(), ""), "ACL user of the sidecar; empty: default"),
  password: described(v.optional(v.string(), ""), "Its password; better by passwordFile"),
  passwordFile: described(v.optional(v.string(), ""), "File that holds the password"),
  tls: described(v.optional(v.nullable(Tls), null), "TLS for clients and replication"),
  engineVersion: described(
    v.optional(v.pipe(v.string(), v.regex(/^\d+\.\d+/, "must look like 7.0")), "7.0"),
    "Oldest version that may read the rendered file: 6.2 knows fewer directives",
  ),
  configuration: described(
    v.optional(v.array(v.string()), []),
    "Further lines of redis.conf; the ones that Leasehold owns are refused. A change of the file " +
      "is set in the running Redis where that takes it; the rest waits for a restart of the pod",
  ),
});

const Auth = v.strictObject({
  enabled: described(
    v.optional(v.boolean(), false),
    "ACL users, with a password for each; false: all are who redis.password lets in",
  ),
  passwordFile: described(
    v.optional(v.string(), ""),
    "File with the password of the applications, Redis' user default",
  ),
  internalKeyFile: described(
    v.optional(v.string(), ""),
    "File with the secret that only members know; missing: derived from the password",
  ),
  defaultUserRules: described(
    v.optional(text, DEFAULT_USER_RULES),
    "ACL rules of the applications, without passwords",
  ),
  users: described(
    v.optional(v.array(text), []),
    "Further users, one a line: <name> <passwordFile> <rules>",
  ),
  exporterFile: described(
    v.optional(v.string(), ""),
    "File that is written for a redis_exporter in the pod, with the password of its own user " +
      "leasehold-exporter; empty: no such user",
  ),
  rotationOverlapMs: described(
    v.optional(milliseconds, 3_600_000),
    "An old password is accepted that long after all members know the new one",
  ),
});

const Election = v.strictObject({
  profile: described(
    v.optional(v.picklist(["fast", "frugal"]), "fast"),
    "fast: Lease of 5 s renewed each 1 s; frugal: 15 s and 5 s, fewer API writes",
  ),
  leaseDurationMs: described(v.optional(v.nullable(milliseconds), null), "Overrides the profile"),
  renewIntervalMs: described(v.optional(v.nullable(milliseconds), null), "Overrides the profile"),
  hangTimeoutMs: described(v.optional(milliseconds, 2_000), "Silence after which Redis is hung"),
  busyTimeoutMs: described(v.optional(milliseconds, 15_000), "BUSY counts as alive that long"),
  priorities: described(
    v.optional(v.array(v.pipe(v.string(), v.regex(/^\S+ \d+$/, "must look like orders-2 0"))), []),
    "Instead of member.priority, one a line: <member> <priority>",
  ),
  maxLagBytes: described(
    v.optional(count, 16_777_216),
    "An automatic failover refuses members further behind",
  ),
  failsafeEnabled: described(
    v.optional(v.boolean(), true),
    "Without the API, lead on while every other member promises to wait",
  ),
  failsafeAlone: described(v.optional(v.boolean(), true), "The same for a group of one"),
});

const Switchover = v.strictObject({
  timeoutMs: described(
    v.optional(milliseconds, 10_000),
    "Longest wait for a successor, or for its files after a full sync",
  ),
  maxPauseMs: described(v.optional(milliseconds, 500), "Longest pause of writes"),
  settleMs: described(v.optional(milliseconds, 2_000), "Late clients are cut that long"),
  deletionGraceForProxyMs: described(
    v.optional(count, 1_500),
    "Writes stay open that long after a deletion was seen, and the pod lives on that long: kube-proxy's second",
  ),
});

const ColdStart = v.strictObject({
  waitMs: described(v.optional(milliseconds, 60_000), "Wait for silent members that long"),
  onMissing: described(
    v.optional(v.picklist(["nobody", "best"]), "nobody"),
    "Who leads when a member that may be ahead stays silent",
  ),
});

const Persistence = v.strictObject({
  mode: described(v.optional(v.picklist(["aof", "rdb", "none"]), "aof"), "What Redis keeps"),
  fsync: described(v.optional(v.picklist(["always", "everysec", "no"]), "everysec"), "appendfsync"),
});

export const SettingsSchema = v.strictObject({
  group: described(text, "The group: name of Lease, write Service and StatefulSet"),
  namespace: described(text, "Namespace of all its objects"),
  member: Member,
  redis: v.optional(Redis, {}),
  auth: v.optional(Auth, {}),
  announce: v.optional(
    v.strictObject({
      host: described(v.optional(v.string(), ""), "Where clients reach Redis; empty: member.host"),
      port: described(v.optional(v.nullable(port), null), "Empty: redis.port"),
    }),
    {},
  ),
  directories: v.optional(
    v.strictObject({
      run: described(v.optional(text, "/run/leasehold"), "tmpfs shared with the guard"),
      data: described(v.optional(text, "/data"), "Redis' volume; ours is <data>/leasehold"),
    }),
    {},
  ),
  http: v.optional(
    v.strictObject({
      host: described(v.optional(host, "::"), "Address of the public, read-only port"),
      port: described(v.optional(port, PORTS.http), "Its port"),
    }),
    {},
  ),
  peers: v.optional(
    v.strictObject({
      host: described(
        v.optional(host, "::"),
        "Address of the members' port; a definite one is also called from",
      ),
      port: described(v.optional(port, PORTS.peers), "Its port, the same on all members"),
      key: described(v.optional(v.string(), ""), "Secret shared by the members; better by keyFile"),
      keyFile: described(v.optional(v.string(), ""), "File that holds the secret"),
    }),
    {},
  ),
  sentinel: v.optional(
    v.strictObject({
      enabled: described(
        v.optional(v.boolean(), false),
        "Answer, read-only, what clients of Redis Sentinel ask",
      ),
      host: described(v.optional(host, "::"), "Address of its port"),
      port: described(v.optional(port, PORTS.sentinel), "Its port, the same on all members"),
      masterSet: described(
        v.optional(v.pipe(text, v.regex(/^[\w.-]+$/, "must be one word")), "mymaster"),
        "What the clients call this group",
      ),
    }),
    {},
  ),
  kubernetes: v.optional(
    v.strictObject({
      kubeconfig: described(v.optional(v.string(), ""), "Path; empty: the pod's ServiceAccount"),
    }),
    {},
  ),
  election: v.optional(Election, {}),
  read: v.optional(
    v.strictObject({
      maxStalenessMs: described(
        v.optional(count, 60_000),
        "While there is no leader, a replica that was in sync stays ready that long",
      ),
      maxLagBytes: described(
        v.optional(count, 16_777_216),
        "A replica further behind is not ready; beyond election.maxLagBytes none is",
      ),
    }),
    {},
  ),
  source: v.optional(
    v.strictObject({
      host: described(
        v.optional(v.string(), ""),
        "A primary outside the group, to be followed until a cutover; empty: none. Of no meaning " +
          "once the group has data",
      ),
      port: described(v.optional(port, PORTS.redis), "Its port"),
      username: described(v.optional(v.string(), ""), "Its ACL user; empty: default"),
      passwordFile: described(
        v.optional(v.string(), ""),
        "File that holds that password; empty: it asks for none",
      ),
      tls: described(v.optional(v.nullable(SourceTls), null), "How it is followed over TLS"),
    }),
    {},
  ),
  durability: v.optional(
    v.strictObject({
      minReplicasToWrite: described(v.optional(count, 0), "Replicas that a write needs"),
      minReplicasMaxLagSeconds: described(v.optional(count, 10), "Their greatest lag"),
    }),
    {},
  ),
  switchover: v.optional(Switchover, {}),
  coldStart: v.optional(ColdStart, {}),
  persistence: v.optional(Persistence, {}),
  roleLabels: v.optional(
    v.strictObject({
      enabled: described(
        v.optional(v.boolean(), false),
        "Keep the pod's label leasehold.dev/role at primary or replica; needs the right to " +
          "patch the pods",
      ),
    }),
    {},
  ),
  log: v.optional(
    v.strictObject({
      level: described(
        v.optional(v.picklist(["debug", "info", "warn", "error"]), "info"),
        "Least severe line that is written",
      ),
      format: described(v.optional(v.picklist(["json", "text"]), "json"), "text: for people"),
    }),
    {},
  ),
});

export type Settings = v.InferOutput<typeof SettingsSchema>;

/** Keys whose values are never shown. */
export const SECRET_KEYS: readonly string[] = ["redis.password", "peers.key"];

function described<const S extends v.GenericSchema>(
  schema: S,
  text: string,
): v.SchemaWithPipe<readonly [S, v.DescriptionAction<v.InferOutput<S>, string>]> {
  return v.pipe(schema, v.description(text));
}
