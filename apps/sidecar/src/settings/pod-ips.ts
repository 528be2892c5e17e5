/** Addresses of the own pod, that of the members first, each once. */
import type { Settings } from "./schema.ts";

/** `hosts` is what the downward API makes of status.podIPs: the addresses with commas between. */
export function podIpsOf({ host, hosts }: Pick<Settings["member"], "host" | "hosts">): string[] {
  const all = hosts.split(",").map((ip) => ip.trim());
  return [...new Set([host, ...all.filter(Boolean)])];
}
