/**
 * What the real API server refuses of the objects that Leasehold writes: wrong types with 400,
 * as its decoder does, wrong values with 422. Only rules that a client of ours could break.
 */
import { isIP } from "node:net";
import { badRequest } from "./api-error.ts";
import { deepEqual, isRecord } from "./object.ts";
import type { KubernetesObject } from "./object.ts";
import type { FieldError } from "./resource.ts";

const MICRO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d)$/;
const DNS_NAME = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;
const LABEL_NAME = /^(?:[a-z0-9.-]{1,253}\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const DNS_RULE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'";
const NAME_RULE = "name part must consist of alphanumeric characters, '-', '_' or '.'";
const VALUE_RULE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'";
const PORT_NAME = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const PORT_RULE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'";
const PROTOCOLS = ["SCTP", "TCP", "UDP"];
const CONFIG_KEY = /^[-._a-zA-Z0-9]{1,253}$/;
const CONFIG_RULE = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
const MAX_ANNOTATION_BYTES = 256 * 1024;
const MAX_CONFIG_MAP_BYTES = 1024 * 1024;
const MAX_ENDPOINTS = 1000;

/** Throws 400 for what Go's decoder would not take. */
export function checkTypes(object: KubernetesObject): void {
  const { kind, metadata } = object;
  expectStrings(kind, "metadata.annotations", metadata.annotations);
  expectStrings(kind, "metadata.labels", metadata.labels);
  expectString(kind, "metadata.name", metadata.name);
  expectString(kind, "metadata.uid", metadata.uid);
  expectString(kind, "metadata.resourceVersion", metadata.resourceVersion);
  if (kind === "ConfigMap") expectStrings(kind, "data", object["data"]);
  if (kind === "Event") checkEventTypes(object);
  if (kind === "EndpointSlice") checkConditions(object["endpoints"]);
  if (kind !== "Lease" || object["spec"] === undefined) return;
  const spec = object["spec"];
  if (!isRecord(spec)) throw badRequest(cannotUnmarshal(kind, "spec", spec));
  expectString(kind, "spec.holderIdentity", spec["holderIdentity"]);
  expectInteger(kind, "spec.leaseDurationSeconds", spec["leaseDurationSeconds"]);
  expectInteger(kind, "spec.leaseTransitions", spec["leaseTransitions"]);
  expectMicroTime(kind, spec["acquireTime"]);
  expectMicroTime(kind, spec["renewTime"]);
}

function checkEventTypes({ kind, ...fields }: KubernetesObject): void {
  expectInteger(kind, "count", fields["count"]);
  for (const time of [fields["firstTimestamp"], fields["lastTimestamp"]]) {
    if (time === undefined || (typeof time === "string" && isTime(time))) continue;
    throw badRequest(`${cannotHandle(kind)}: parsing time ${quote(time)}: cannot parse`);
  }
}

function checkConditions(endpoints: unknown): void {
  for (const endpoint of Array.isArray(endpoints) ? (endpoints as unknown[]) : []) {
    const conditions = isRecord(endpoint) ? endpoint["conditions"] : undefined;
    for (const [name, value] of Object.entries(isRecord(conditions) ? conditions : {})) {
      if (typeof value === "boolean") continue;
      throw badRequest(cannotUnmarshal("EndpointSlice", `endpoints.conditions.${name}`, value));
    }
  }
}

export function validateMeta(object: KubernetesObject): readonly FieldError[] {
  const { name, labels = {}, annotations = {} } = object.metadata;
  const errors: FieldError[] = [];
  if (!name || !DNS_NAME.test(name)) errors.push(bad("metadata.name", name, DNS_RULE));
  for (const [key, value] of Object.entries(labels)) {
    if (!LABEL_NAME.test(key)) errors.push(bad("metadata.labels", key, NAME_RULE));
    if (!LABEL_VALUE.test(value)) errors.push(bad("metadata.labels", value, VALUE_RULE));
  }
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    const known = LABEL_NAME.test(key.toLowerCase());
    if (!known) errors.push(bad("metadata.annotations", key, NAME_RULE));
  }
  if (bytes > MAX_ANNOTATION_BYTES) {
    const message = `Too long: may not be more than ${MAX_ANNOTATION_BYTES} bytes`;
    errors.push({ field: "metadata.annotations", message });
  }
  return [...errors, ...ownerErrors(object.metadata["ownerReferences"])];
}

function ownerErrors(owners: unknown): readonly FieldError[] {
  return (Array.isArray(owners) ? (owners as unknown[]) : []).flatMap((owner) =>
    ["apiVersion", "kind", "name", "uid"]
      .filter((field) => !isRecord(owner) || !owner[field])
      .map((field) => bad(`metadata.ownerReferences.${field}`, "", "must not be empty")),
  );
}

export function validateLease(object: KubernetesObject): readonly FieldError[] {
  const spec = isRecord(object["spec"]) ? object["spec"] : {};
  const errors: FieldError[] = [];
  const duration = spec["leaseDurationSeconds"];
  const transitions = spec["leaseTransitions"];
  if (typeof duration === "number" && duration <= 0) {
    errors.push(bad("spec.leaseDurationSeconds", duration, "must be greater than 0"));
  }
  if (typeof transitions === "number" && transitions < 0) {
    errors.push(bad("spec.leaseTransitions", transitions, "must be greater than or equal to 0"));
  }
  return errors;
}

export function validateEndpointSlice(
  object: KubernetesObject,
  old: KubernetesObject | null,
): readonly FieldError[] {
  const type = object["addressType"];
  const errors: FieldError[] = [];
  if (type !== "IPv4" && type !== "IPv6" && type !== "FQDN") {
    errors.push({
      field: "addressType",
      message: `Unsupported value: ${quote(type)}: supported values: "FQDN", "IPv4", "IPv6"`,
    });
  }
  if (old && old["addressType"] !== type) {
    errors.push(bad("addressType", type, "field is immutable"));
  }
  const endpoints = Array.isArray(object["endpoints"]) ? object["endpoints"] : [];
  if (endpoints.length > MAX_ENDPOINTS) {
    errors.push({
      field: "endpoints",
      message: `Too many: ${endpoints.length}: must have at most ${MAX_ENDPOINTS} items`,
    });
  }
  endpoints.forEach((endpoint: unknown, index) => {
    errors.push(...validateEndpoint(endpoint, { type, path: `endpoints[${index}]` }));
  });
  errors.push(...validatePorts(object["ports"]));
  return errors;
}

function validateEndpoint(
  endpoint: unknown,
  where: { readonly type: unknown; readonly path: string },
): readonly FieldError[] {
  const addresses = isRecord(endpoint) ? endpoint["addresses"] : undefined;
  if (!Array.isArray(addresses) || addresses.length === 0) {
    return [
      {
        field: `${where.path}.addresses`,
        message: "Required value: must contain at least 1 address",
      },
    ];
  }
  const version = where.type === "IPv4" ? 4 : where.type === "IPv6" ? 6 : 0;
  return addresses.flatMap((address: unknown, index) => {
    const why = version === 0 ? null : wrongAddress(String(address), version);
    return why === null ? [] : [bad(`${where.path}.addresses[${index}]`, address, why)];
  });
}

function wrongAddress(address: string, version: 4 | 6): string | null {
  if (isIP(address) !== version) return `must be an IPv${version} address`;
  const { host } = new URL(version === 6 ? `http://[${address}]` : `http://${address}`);
  const canonical = host.replace(/^\[|\]$/g, "");
  if (address !== canonical) return `must be in canonical form (${quote(canonical)})`;
  if (address === "0.0.0.0" || address === "::") return `may not be unspecified (${address})`;
  const linkLocal = address.startsWith("169.254.") || /^fe[89ab]/.test(address);
  return linkLocal ? "may not be in the link-local range (169.254.0.0/16, fe80::/10)" : null;
}

/** Refused by the real server; the fake may be told to take them, as the demo lives on 127.x. */
export function loopbackErrors(object: KubernetesObject): readonly FieldError[] {
  const endpoints = Array.isArray(object["endpoints"]) ? object["endpoints"] : [];
  return endpoints.flatMap((endpoint: unknown, index) => {
    const addresses = isRecord(endpoint) ? endpoint["addresses"] : [];
    return (Array.isArray(addresses) ? addresses : [])
      .map(String)
      .filter((address) => address.startsWith("127.") || address === "::1")
      .map((address) =>
        bad(
          `endpoints[${index}].addresses`,
          address,
          "may not be in the loopback range (127.0.0.0/8, ::1/128)",
        ),
      );
  });
}

function validatePorts(ports: unknown): readonly FieldError[] {
  const records = (Array.isArray(ports) ? (ports as unknown[]) : []).filter(isRecord);
  const names = records.map((port) => port["name"]);
  return records.flatMap(({ name, protocol }, index) => {
    const errors: FieldError[] = [];
    const field = `ports[${index}].name`;
    if (name !== "" && !PORT_NAME.test(String(name))) errors.push(bad(field, name, PORT_RULE));
    if (names.indexOf(name) !== index) {
      errors.push({ field, message: `Duplicate value: ${quote(name)}` });
    }
    if (!PROTOCOLS.includes(String(protocol))) {
      const supported = PROTOCOLS.map(quote).join(", ");
      const message = `Unsupported value: ${quote(protocol)}: supported values: ${supported}`;
      errors.push({ field: `ports[${index}].protocol`, message });
    }
    return errors;
  });
}

export function validateConfigMap(
  object: KubernetesObject,
  old: KubernetesObject | null,
): readonly FieldError[] {
  const data = isRecord(object["data"]) ? object["data"] : {};
  const binary = isRecord(object["binaryData"]) ? object["binaryData"] : {};
  const errors = Object.keys(data).flatMap((key) => {
    if (!CONFIG_KEY.test(key)) return [bad(`data[${key}]`, key, CONFIG_RULE)];
    return key in binary
      ? [bad(`data[${key}]`, key, "duplicate of key present in binaryData")]
      : [];
  });
  if (old?.["immutable"] === true && !deepEqual(data, old["data"] ?? {})) {
    const message = "Forbidden: field is immutable when `immutable` is set";
    errors.push({ field: "data", message });
  }
  const bytes = Object.values(data).reduce<number>(
    (sum, value) => sum + Buffer.byteLength(String(value)),
    0,
  );
  if (bytes > MAX_CONFIG_MAP_BYTES) {
    const message = `Too long: may not be more than ${MAX_CONFIG_MAP_BYTES} bytes`;
    errors.push({ field: "[]", message });
  }
  return errors;
}

export function validateEvent(object: KubernetesObject): readonly FieldError[] {
  const involved = isRecord(object["involvedObject"]) ? object["involvedObject"] : {};
  if ((involved["namespace"] ?? "default") === object.metadata.namespace) return [];
  return [bad("involvedObject.namespace", involved["namespace"], "does not match event.namespace")];
}

function expectStrings(kind: string, field: string, value: unknown): void {
  if (value === undefined) return;
  if (!isRecord(value)) throw badRequest(cannotUnmarshal(kind, field, value));
  for (const [key, item] of Object.entries(value)) expectString(kind, `${field}.${key}`, item);
}

function expectString(kind: string, field: string, value: unknown): void {
  if (value !== undefined && typeof value !== "string") {
    throw badRequest(cannotUnmarshal(kind, field, value));
  }
}

function expectInteger(kind: string, field: string, value: unknown): void {
  if (value === undefined || (Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 31)) return;
  throw badRequest(cannotUnmarshal(kind, field, value));
}

function expectMicroTime(kind: string, value: unknown): void {
  const isMicroTime = typeof value === "string" && MICRO_TIME.test(value) && isTime(value);
  if (value === undefined || isMicroTime) return;
  throw badRequest(
    `${cannotHandle(kind)}: parsing time ${quote(value)} as ` +
      `"2006-01-02T15:04:05.000000Z07:00": cannot parse`,
  );
}

function cannotUnmarshal(kind: string, field: string, value: unknown): string {
  return (
    `${cannotHandle(kind)}: json: cannot unmarshal ` +
    `${typeof value} into Go struct field of ${field}`
  );
}

function cannotHandle(kind: string): string {
  return `${kind} in version "v1" cannot be handled as a ${kind}`;
}

function isTime(text: string): boolean {
  return !Number.isNaN(Date.parse(text));
}

function bad(field: string, value: unknown, why: string): FieldError {
  return { field, message: `Invalid value: ${quote(value)}: ${why}` };
}

function quote(value: unknown): string {
  return JSON.stringify(value) ?? `""`;
}
