/**
 * Settings that contradict one another, each as a sentence that names the key and says what to
 * do. Timings are the matter of `configProblems` in @leasehold/replication.
 */
import { parseUserLine, rulesProblem } from "../auth/users.ts";
import type { Settings } from "./schema.ts";

/** Sentences; empty when the settings can be used together. */
export function contradictions(settings: Settings): readonly string[] {
  return [
    ...portProblems(settings.redis),
    ...sourceProblems(settings),
    ...(settings.auth.enabled ? authProblems(settings) : unusedAuth(settings.auth)),
  ];
}

function portProblems({ tls, port, plaintextPort }: Settings["redis"]): readonly string[] {
  if (plaintextPort === 0) return [];
  if (!tls) {
    return ["redis.plaintextPort needs redis.tls: without TLS redis.port is a plain port already."];
  }
  return plaintextPort === port
    ? [`redis.plaintextPort (${plaintextPort}) must differ from redis.port.`]
    : [];
}

function sourceProblems({ source, redis }: Settings): readonly string[] {
  const { host, tls } = source;
  if (tls !== null && (tls.certFile === "") !== (tls.keyFile === "")) {
    return ["source.tls.certFile and source.tls.keyFile belong together: set both or none."];
  }
  if (host === "" || redis.tls === null) return [];
  return [
    "source.host needs redis.tls to be absent: Redis follows a source over a port without TLS. " +
      "Remove one of them, and set redis.tls after the cutover.",
  ];
}

function unusedAuth(auth: Settings["auth"]): readonly string[] {
  const { passwordFile, internalKeyFile, users, exporterFile } = auth;
  const given = [
    ...(exporterFile === "" ? [] : ["auth.exporterFile"]),
    ...(passwordFile === "" ? [] : ["auth.passwordFile"]),
    ...(internalKeyFile === "" ? [] : ["auth.internalKeyFile"]),
    ...(users.length === 0 ? [] : ["auth.users"]),
  ];
  return given.map(
    (key) => `${key} is set, but auth.enabled is not: set auth.enabled to true or remove the key.`,
  );
}

function authProblems({ auth, redis, peers }: Settings): readonly string[] {
  const replaced = {
    "redis.username": redis.username,
    "redis.password": redis.password,
    "redis.passwordFile": redis.passwordFile,
    "peers.key": peers.key,
    "peers.keyFile": peers.keyFile,
  };
  const found = Object.entries(replaced).flatMap(([key, value]) =>
    value === "" ? [] : [`${key} has no meaning with auth.enabled, which derives it; remove it.`],
  );
  if (auth.passwordFile === "") {
    found.push("auth.enabled needs auth.passwordFile: the password of the applications.");
  }
  return [...found, ...userProblems(auth)];
}

function userProblems({ defaultUserRules, users }: Settings["auth"]): readonly string[] {
  const lines = users.map(parseUserLine);
  const names = lines.flatMap((line) => (typeof line === "string" ? [] : [line.name]));
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  return [
    rulesProblem("auth.defaultUserRules", defaultUserRules),
    ...lines.filter((line) => typeof line === "string"),
    ...twice.map((name) => `auth.users: \`${name}\` is there twice; keep one line.`),
  ].filter((sentence) => sentence !== null);
}
