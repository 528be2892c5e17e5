/**
 * Turns what topology and connections tell into the events of the client, its log, and the channels
 * of `node:diagnostics_channel`.
 */
import { channel } from "node:diagnostics_channel";
import type { EventEmitter } from "node:events";
import type { LeaseholdEvents, TopologyEvent } from "./events.ts";
import type { FollowerEvents } from "./follower-link.ts";
import type { Monitor } from "./topology/monitor.ts";
import type { Logger } from "./types.ts";

const TOPOLOGY = channel("leasehold:topology");
const OUTCOME = channel("leasehold:outcome");
const LEADER_CHANGE = channel("leasehold:leader-change");
const LEADER_CHANGED = channel("leasehold:leader-changed");
const RESENT = channel("leasehold:resent");
const QUEUE_WAIT = channel("leasehold:queue-wait");
const ROLE_CHECK = channel("leasehold:role-check");

type Emitter = EventEmitter<LeaseholdEvents>;

export function forwardEvents(
  client: Emitter,
  monitor: Monitor,
  logger: Logger | null,
): FollowerEvents {
  let lost: { readonly atMs: number; readonly why: string } | null = null;
  const emit = <Name extends keyof LeaseholdEvents>(
    name: Name,
    ...args: LeaseholdEvents[Name]
  ): void => {
    for (const value of args) Object.freeze(value);
    tell(client, name, args);
  };
  monitor.listen({
    changed(current, previous) {
      emit("topologyChanged", { previous, current });
      TOPOLOGY.publish({ previous, current });
    },
    announced({ successor, deadlineMs }) {
      emit("leaderChanging", { successor, deadlineMs });
      const { generation } = monitor.description;
      const judge = (): void => {
        if (monitor.description.generation === generation) {
          emit("leaderChangeAborted", { successor });
        }
      };
      setTimeout(judge, deadlineMs).unref();
    },
    fault(provider, error) {
      emit("providerFault", { provider, error });
    },
    event(event) {
      forwardTopology(event, emit, lost?.atMs ?? null);
      if (event.type !== "leaderChanged") return;
      LEADER_CHANGED.publish({ leader: event.to, epoch: event.epoch, via: event.via });
      logger?.info("leader changed", { leader: event.to.id, epoch: event.epoch });
    },
  });
  return {
    connectionError: (error) => emit("connectionError", { error }),
    roleCheckFailed(node, found) {
      emit("roleCheckFailed", { node, found });
      ROLE_CHECK.publish({ node, found });
    },
    lost(why, last) {
      if (lost) return;
      lost = { atMs: performance.now(), why };
      emit("leaderLost", { last, reason: why });
      LEADER_CHANGE.publish({ phase: "start", reason: why, last });
      logger?.warn("leader lost", { reason: why, last: last?.id });
    },
    ready() {
      if (!lost) return;
      const gapMs = performance.now() - lost.atMs;
      lost = null;
      LEADER_CHANGE.publish({ phase: "end", gapMs, leader: monitor.description.leader });
    },
    heartbeatFailed: (node, error, durationMs) =>
      emit("heartbeatFailed", { node, error, durationMs }),
    subscriptionGap: (channels, gapMs) => emit("subscriptionGap", { channels, gapMs }),
    outcomeUnknown(command, epoch) {
      emit("outcomeUnknown", { command, epoch });
      OUTCOME.publish({ command, epoch, outcome: "unknown" });
    },
    resent: (count) => RESENT.publish({ count }),
    waited(waitedMs) {
      if (QUEUE_WAIT.hasSubscribers) QUEUE_WAIT.publish({ waitedMs });
    },
  };
}

type Emit = <Name extends keyof LeaseholdEvents>(
  name: Name,
  ...args: LeaseholdEvents[Name]
) => void;

function forwardTopology(event: TopologyEvent, emit: Emit, lostAtMs: number | null): void {
  switch (event.type) {
    case "leaderChanged": {
      const { type: _type, ...change } = event;
      const gapMs = lostAtMs === null ? null : performance.now() - lostAtMs;
      return emit("leaderChanged", { ...change, gapMs });
    }
    case "leaderLost":
      return emit("leaderLost", { last: event.last, reason: event.reason });
    case "staleLeaderIgnored":
      return emit("staleLeaderIgnored", {
        node: event.node,
        epoch: event.epoch,
        known: event.known,
      });
    case "topologyConflict":
      return emit("topologyConflict", { known: event.known, claimed: event.claimed });
    case "nodeAdded":
    case "nodeRemoved":
    case "nodeChanged":
      return emit(event.type, { node: event.node });
  }
}

/** A listener that throws is the caller's bug: it surfaces, and breaks nothing here. */
function tell(client: Emitter, name: keyof LeaseholdEvents, args: readonly unknown[]): void {
  // Raw: of `once` the wrapper, which removes itself.
  for (const listener of client.rawListeners(name)) {
    try {
      Reflect.apply(listener, client, args);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }
}
