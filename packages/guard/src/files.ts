/**
 * The lines that sidecar and guard exchange through the run directory.
 *
 * Guarantees: what `format…` writes, `parse…` reads back, and so does redis.sh. A line without
 * the newline at its end is half a line, and nobody believes it. Pure: reads and writes no file.
 */
import type { GuardObservation, Permit } from "@leasehold/replication";

export const PERMIT_FILE = "permit";
export const KILL_FILE = "kill";
export const STATUS_FILE = "status";
/** From the preStop hook: hand over, Redis will be stopped. The next guard removes both. */
export const STOP_FILE = "stop";
/** To the preStop hook: done. */
export const STOPPED_FILE = "stopped";

/** What the guard says of itself. */
export interface GuardStatus extends Omit<GuardObservation, "uptimeSkewMs"> {
  /** The guard's own reading of `/proc/uptime` at its newest poll. */
  readonly uptimeMs: number;
}

/** SIGKILL wanted for this process under this guard, and for no other. */
export interface KillRequest {
  readonly bootId: string;
  readonly pid: number;
}

/** As redis.sh reads numbers: up to 15 digits, no leading zero. */
const COUNT = String.raw`(0|[1-9]\d{0,14})`;
const PERMIT = new RegExp(String.raw`^(?:lead ${COUNT} (\S+)|follow (\S+))\n$`);
const KILL = new RegExp(String.raw`^(\S+) ${COUNT}\n$`);
const STATUS = new RegExp(String.raw`^(\S+) (\S+) (?:-|${COUNT}) ${COUNT} *\n$`);
const WORD = /^\S+$/;

/** A broken millisecond is cut off: earlier is safe. Throws on what the guard could not read. */
export function formatPermit(permit: Permit): string {
  requireWord("nonce", permit.nonce);
  if (permit.kind === "follow") return `follow ${permit.nonce}\n`;
  const deadlineBootMs = Math.floor(permit.deadlineBootMs);
  requireCount("deadlineBootMs", deadlineBootMs);
  return `lead ${deadlineBootMs} ${permit.nonce}\n`;
}

/** Null: no permit, and the guard kills Redis for it. */
export function parsePermit(text: string): Permit | null {
  const [, deadline, leadNonce, followNonce] = PERMIT.exec(text) ?? [];
  if (followNonce !== undefined) return { kind: "follow", nonce: followNonce };
  if (deadline === undefined || leadNonce === undefined) return null;
  return { kind: "lead", deadlineBootMs: Number(deadline), nonce: leadNonce };
}

export function formatKill(request: KillRequest): string {
  requireWord("bootId", request.bootId);
  requireCount("pid", request.pid);
  return `${request.bootId} ${request.pid}\n`;
}

export function parseKill(text: string): KillRequest | null {
  const [, bootId, pid] = KILL.exec(text) ?? [];
  return bootId === undefined || pid === undefined ? null : { bootId, pid: Number(pid) };
}

export function formatStatus(status: GuardStatus): string {
  requireWord("bootId", status.bootId);
  requireCount("uptimeMs", status.uptimeMs);
  return `${status.bootId} ${status.state} ${status.pid ?? "-"} ${status.uptimeMs}\n`;
}

/** Null while the guard has written nothing, or something that is not a status. */
export function parseStatus(text: string): GuardStatus | null {
  const [, bootId, state, pid, uptimeMs] = STATUS.exec(text) ?? [];
  if (bootId === undefined || !isState(state)) return null;
  return { bootId, state, pid: pid === undefined ? null : Number(pid), uptimeMs: Number(uptimeMs) };
}

function isState(word: string | undefined): word is GuardStatus["state"] {
  return word === "waiting" || word === "running" || word === "exited" || word === "killed";
}

function requireWord(name: string, value: string): void {
  if (!WORD.test(value)) {
    throw new Error(`${name} ${JSON.stringify(value)} must be one word: a space would end it`);
  }
}

/** Fifteen digits are what redis.sh reads. */
function requireCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value >= 1e15) {
    throw new Error(`${name} is ${value}: the guard reads whole numbers from 0 to 15 digits only`);
  }
}
