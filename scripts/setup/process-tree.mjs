/** Who descends from whom, as Linux tells it under /proc; elsewhere nobody is known. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/**
 * @param {number} ancestor
 * @returns {number[]} process ids of its children, their children and so on, without itself
 */
export function descendantsOf(ancestor) {
  const children = childrenByParent();
  const found = [ancestor];
  // Grows while it is walked; every process has one parent, so none comes twice.
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found.slice(1);
}

/** @returns {Map<number, number[]>} */
function childrenByParent() {
  /** @type {Map<number, number[]>} */
  const children = new Map();
  if (!existsSync("/proc")) return children;
  for (const name of readdirSync("/proc")) {
    const parent = /^\d+$/.test(name) ? parentOf(name) : null;
    if (parent !== null) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  return children;
}

/**
 * @param {string} pid
 * @returns {number | null} null if the process has ended meanwhile
 */
function parentOf(pid) {
  const parent = statOf(pid)?.[1];
  return parent === undefined ? null : Number(parent);
}

/**
 * @param {number} pid
 * @returns {string | null} differs for another process of that number; null if there is none
 */
export function birthOf(pid) {
  return statOf(pid)?.[19] ?? null;
}

/**
 * @param {number | string} pid
 * @returns {string[] | null} "state parent …" of proc(5); null if the process has ended meanwhile
 */
function statOf(pid) {
  try {
    // "pid (name) state parent …", where the name may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}
