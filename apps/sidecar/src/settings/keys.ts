/**
 * The keys of the schema as a flat list: what the environment, the documentation and the
 * redaction work with.
 */
import * as v from "valibot";
import { SettingsSchema } from "./schema.ts";

export interface SettingsKey {
  /** `election.leaseDurationMs` */
  readonly path: readonly string[];
  /** `LEASEHOLD_ELECTION_LEASE_DURATION_MS` */
  readonly variable: string;
  readonly kind: "text" | "number" | "boolean" | "list";
  readonly description: string;
}

/** What the walk reads of a valibot schema; the library has no type for "any of them". */
interface Node {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Node>>;
  readonly wrapped?: Node;
  readonly pipe?: readonly Node[];
}

const PREFIX = "LEASEHOLD";

export const SETTINGS_KEYS: readonly SettingsKey[] = keysBelow(SettingsSchema, []);

function keysBelow(node: Node, path: readonly string[]): readonly SettingsKey[] {
  const inner = unwrap(node);
  if (inner.entries) {
    return Object.entries(inner.entries).flatMap(([name, entry]) =>
      keysBelow(entry, [...path, name]),
    );
  }
  return [
    {
      path,
      variable: [PREFIX, ...path.map(upperSnake)].join("_"),
      kind: kindOf(inner.type),
      description: v.getDescription(node as unknown as v.GenericSchema) ?? "",
    },
  ];
}

/** The schema below `optional` and `nullable`. A pipe carries the properties of its first part. */
function unwrap(node: Node): Node {
  return node.wrapped ? unwrap(node.wrapped) : node;
}

function kindOf(type: string): SettingsKey["kind"] {
  if (type === "number" || type === "boolean") return type;
  return type === "array" ? "list" : "text";
}

function upperSnake(name: string): string {
  return name.replaceAll(/([A-Z])/g, "_$1").toUpperCase();
}
