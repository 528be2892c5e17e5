/** Objects as the API sends them: only what identifies them is checked, the rest is `unknown`. */

export interface ObjectMeta {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly [field: string]: unknown;
}

export interface ApiObject {
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Null if `value` is no stored object: one with a uid and a version. */
export function asApiObject(value: unknown): ApiObject | null {
  if (!isRecord(value) || !isRecord(value["metadata"])) return null;
  const { uid, resourceVersion } = value["metadata"];
  if (typeof uid !== "string" || typeof resourceVersion !== "string") return null;
  if (uid === "" || resourceVersion === "") return null;
  return value as unknown as ApiObject;
}

/** A field that should be an object; empty if it is not. */
export function recordAt(value: unknown, field: string): Readonly<Record<string, unknown>> {
  const inner = isRecord(value) ? value[field] : undefined;
  return isRecord(inner) ? inner : {};
}

/** A field that should be a list; empty if it is not. */
export function listAt(value: unknown, field: string): readonly unknown[] {
  const inner = isRecord(value) ? value[field] : undefined;
  return Array.isArray(inner) ? (inner as readonly unknown[]) : [];
}

export function textAt(value: unknown, field: string): string | null {
  const inner = isRecord(value) ? value[field] : undefined;
  return typeof inner === "string" ? inner : null;
}

export function numberAt(value: unknown, field: string): number | null {
  const inner = isRecord(value) ? value[field] : undefined;
  return typeof inner === "number" && Number.isFinite(inner) ? inner : null;
}
