/**
 * The network between the pods of a group: one proxy per pod address and port, which can be
 * silenced for one member.
 *
 * Guarantees: while a member is cut, nothing passes between it and any other member, in either
 * direction and on open connections too; what was sent meanwhile arrives when the cut is healed,
 * as after TCP's retransmissions. Who calls from outside the group's addresses is never cut.
 * Not modelled: delay, loss, one-way cuts.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

export interface PodAddress {
  /** The address that others are told. */
  readonly podHost: string;
  /** Where the processes listen, and where they call from. */
  readonly realHost: string;
}

export interface PodNetwork {
  cut(podHost: string): void;
  heal(podHost: string): void;
  close(): Promise<void>;
}

interface Flow {
  readonly from: PodAddress | null;
  readonly to: PodAddress;
  readonly caller: Socket;
  readonly target: Socket;
}

export async function startPodNetwork(
  pods: readonly PodAddress[],
  ports: readonly number[],
): Promise<PodNetwork> {
  const cuts = new Set<string>();
  const flows = new Set<Flow>();
  const silent = (flow: Flow): boolean =>
    flow.from !== null && (cuts.has(flow.from.podHost) || cuts.has(flow.to.podHost));
  const apply = (): void => {
    for (const flow of flows) setFlowing(flow, !silent(flow));
  };

  const accept = (to: PodAddress, port: number, caller: Socket): void => {
    const from = pods.find((pod) => pod.realHost === caller.remoteAddress) ?? null;
    const target = connect({ host: to.realHost, port, noDelay: true });
    const flow = { from, to, caller, target };
    flows.add(flow);
    join(flow, () => flows.delete(flow));
    setFlowing(flow, !silent(flow));
  };

  const servers = await Promise.all(
    pods.flatMap((pod) => ports.map((port) => listen(pod, port, accept))),
  );
  return {
    cut(podHost) {
      cuts.add(podHost);
      apply();
    },
    heal(podHost) {
      cuts.delete(podHost);
      apply();
    },
    async close() {
      for (const flow of flows) {
        flow.caller.destroy();
        flow.target.destroy();
      }
      await Promise.all(servers.map(closeServer));
    },
  };
}

type Accept = (to: PodAddress, port: number, caller: Socket) => void;

async function listen(pod: PodAddress, port: number, accept: Accept): Promise<Server> {
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (caller) =>
    accept(pod, port, caller),
  );
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, pod.podHost, resolve);
  });
  return server;
}

/** Copies both ways by hand: `pipe` would resume a paused socket by itself. */
function join(flow: Flow, ended: () => void): void {
  const { caller, target } = flow;
  copy(caller, target, flow);
  copy(target, caller, flow);
  const end = (): void => {
    ended();
    caller.destroy();
    target.destroy();
  };
  for (const socket of [caller, target]) {
    socket.on("error", end);
    socket.on("close", end);
  }
}

const held = new WeakSet<Socket>();

function copy(source: Socket, sink: Socket, flow: Flow): void {
  source.on("data", (chunk) => {
    if (!sink.write(chunk)) source.pause();
  });
  source.on("end", () => sink.end());
  sink.on("drain", () => {
    if (!held.has(flow.caller)) source.resume();
  });
}

/** A held flow stops reading on both sides; the kernel's buffers keep what was sent. */
function setFlowing(flow: Flow, flowing: boolean): void {
  if (flowing) held.delete(flow.caller);
  else held.add(flow.caller);
  for (const socket of [flow.caller, flow.target]) {
    if (flowing) socket.resume();
    else socket.pause();
  }
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}
