/**
 * Turns what topology and connections tell into the events of the client, its log, and the channels
 * of `node:diagnostics_channel`.
 *
 * Guarantees: of `leasehold:leader-change`, a TracingChannel, `start` is published when a leader is
 * lost and `end` with the first reply of the next one, both with the same object. Of a client that
 * is closed in between there is no `end`.
 */
import { channel, tracingChannel } from "node:diagnostics_channel";
import type { EventEmitter } from "node:events";
import type { LeaseholdEvents, TopologyEvent } from "./events.ts";
import type { FollowerEvents } from "./follower-link.ts";
import type { Monitor } from "./topology/monitor.ts";
import type { LeaderChangeVia, Logger, NodeDescription, TopologyDescription } from "./types.ts";

const TOPOLOGY = channel("leasehold:topology");
const OUTCOME = channel("leasehold:outcome");
const LEADER_CHANGE = tracingChannel("leasehold:leader-change");
const LEADER_CHANGED = channel("leasehold:leader-changed");
const RESENT = channel("leasehold:resent");
const QUEUE_WAIT = channel("leasehold:queue-wait");
const ROLE_CHECK = channel("leasehold:role-check");

type Emitter = EventEmitter<LeaseholdEvents>;

/** From the loss of a leader on; what `end` adds comes last. */
interface LeaderChange {
  readonly reason: string;
  readonly last: NodeDescription | null;
  readonly atMs: number;
  gapMs?: number;
  leader?: NodeDescription | null;
}

export function forwardEvents(
  client: Emitter,
  monitor: Monitor,
  logger: Logger | null,
): FollowerEvents {
  const change: Change = { lost: null, rejected: null };
  const emit: Emit = (name, ...args) => {
    for (const value of args) Object.freeze(value);
    tell(client, name, args);
  };
  forwardMonitor(monitor, change, { emit, logger });
  return followerEvents(monitor, change, { emit, logger });
}

interface Change {
  lost: LeaderChange | null;
  /** What a server has said since the last change. */
  rejected: "rejection" | "redirect" | null;
}

interface Tellers {
  readonly emit: Emit;
  readonly logger: Logger | null;
}

function forwardMonitor(monitor: Monitor, change: Change, { emit, logger }: Tellers): void {
  monitor.listen({
    changed(current, previous) {
      frozen(current);
      emit("topologyChanged", { previous: frozen(previous), current });
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
      logger?.debug("a source of topology cannot look", { provider, error });
    },
    event(event) {
      if (event.type !== "leaderChanged") {
        forwardTopology(event, emit);
        return;
      }
      const { type: _type, ...told } = event;
      Object.freeze(told.to);
      const via = viaOf(event.via, change.rejected);
      change.rejected = null;
      const gapMs = change.lost === null ? null : performance.now() - change.lost.atMs;
      emit("leaderChanged", { ...told, via, gapMs });
      LEADER_CHANGED.publish({ leader: event.to, epoch: event.epoch, via });
      logger?.info("leader changed", { leader: event.to.id, epoch: event.epoch });
    },
  });
}

/** A look is made for a reason; what is pushed would have come without it. */
function viaOf(via: LeaderChangeVia, rejected: Change["rejected"]): LeaderChangeVia {
  return via === "probe" && rejected !== null ? rejected : via;
}

function followerEvents(
  monitor: Monitor,
  change: Change,
  { emit, logger }: Tellers,
): FollowerEvents {
  const warned = new Set<string>();
  return {
    connectionError(error) {
      emit("connectionError", { error });
      logger?.debug("connection failed", { error });
    },
    roleCheckFailed(failed) {
      emit("roleCheckFailed", failed);
      ROLE_CHECK.publish(failed);
      logger?.debug("connection given up", failed);
    },
    lost(reason, last) {
      if (change.lost) return;
      change.lost = { reason, last, atMs: performance.now() };
      emit("leaderLost", { last, reason });
      LEADER_CHANGE.start.publish(change.lost);
      logger?.warn("leader lost", { reason, last: last?.id });
    },
    ready(ask) {
      const { lost } = change;
      if (!lost) return;
      const answered = (): void => {
        if (change.lost !== lost) return;
        change.lost = null;
        lost.gapMs = performance.now() - lost.atMs;
        lost.leader = monitor.description.leader;
        LEADER_CHANGE.end.publish(lost);
      };
      // A refusal is an answer, too; a connection that is lost again has given none.
      ask().then(answered, (error: Error) => error.name === "ReplyError" && answered());
    },
    rejected(how) {
      change.rejected = how;
    },
    connected() {
      change.rejected = null;
    },
    heartbeatFailed(node, error, durationMs) {
      emit("heartbeatFailed", { node, error, durationMs });
      logger?.debug("a PING was not answered", { node, error, durationMs });
    },
    subscriptionGap: (channels, gapMs) => emit("subscriptionGap", { channels, gapMs }),
    failed(command, outcome, epoch) {
      if (outcome === "unknown") emit("outcomeUnknown", { command, epoch });
      OUTCOME.publish({ command, epoch, outcome });
    },
    notRestored(command) {
      if (warned.has(command)) return;
      warned.add(command);
      const message = `${command} is state of one server: it is not restored on the next leader`;
      logger?.warn(message, { command });
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

function forwardTopology(
  event: Exclude<TopologyEvent, { readonly type: "leaderChanged" }>,
  emit: Emit,
): void {
  switch (event.type) {
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

/** What listeners share with one another, and with the client itself. */
export function frozen(description: TopologyDescription): TopologyDescription {
  const { nodes, leader } = description;
  for (const part of [...nodes, nodes, leader, description]) Object.freeze(part);
  return description;
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
