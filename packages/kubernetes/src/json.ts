/**
 * Reads JSON out of annotations and ConfigMaps, where anybody may have written anything. A value
 * that has not the wanted shape is null, never an exception.
 */
import { isRecord } from "./api/object.ts";

export type Shape<T> = (value: unknown) => T | null;

export function parseText<T>(text: string | undefined, shape: Shape<T>): T | null {
  if (text === undefined) return null;
  try {
    return shape(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Null if one of the items is wrong: half a list would be another list. */
export function listOf<T>(item: Shape<T>): Shape<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value)) return null;
    const items = value.map((one: unknown) => item(one)).filter((one) => one !== null);
    return items.length === value.length ? items : null;
  };
}

/** Null if one of the values is wrong. Safe for keys like `__proto__`. */
export function mapOf<T>(item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value) => {
    if (!isRecord(value)) return null;
    const entries: [string, T][] = [];
    for (const [key, one] of Object.entries(value)) {
      const read = item(one);
      if (read === null) return null;
      entries.push([key, read]);
    }
    return Object.fromEntries(entries);
  };
}

export const text: Shape<string> = (value) => (typeof value === "string" && value ? value : null);

/** An integer from 0 to 2^53 - 1. */
export const count: Shape<number> = (value) =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;
