/**
 * kube-proxy brings the first of several changes of a Service at once and the next ones only after
 * a second: a pod that is being deleted is still led to for so long (red-team R1).
 */
import { waiterElapsedMs, type Instant } from "@leasehold/election";
import { podOf, type Turn } from "./turn.ts";

/** The hook may be faster than the watch: the pod is read once before it is believed to stay. */
const POD_ANSWER_MS = 300;
/** What a pod needs between the hand-over and the end of its grace. */
export const GRACE_RESERVE_MS = 8000;

/** This pod is being deleted, and whoever is still led to it since `since` is worth the wait. */
export function waitsForProxies({ state, config, at }: Turn, since: Instant): boolean {
  const { stop, start } = state;
  if (stop === null) return false;
  const asks = stop.podRead !== "answered" && waiterElapsedMs(stop.since, at) < POD_ANSWER_MS;
  if (asks) return true;
  const pod = podOf(state, start.member);
  if (!pod?.terminating || (pod.graceMs ?? Infinity) < GRACE_RESERVE_MS) return false;
  return waiterElapsedMs(since, at) < config.deletionGraceForProxyMs;
}
