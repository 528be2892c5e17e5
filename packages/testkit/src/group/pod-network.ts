/**
 * The network between the pods of a group: one proxy per pod address and port, which can be
 * silenced for one member.
 *
 * Guarantees: while a member is cut, nothing passes between it and any other member, on open
 * connections too: in either direction, or only to it. What was sent meanwhile arrives when the cut
 * is healed, as after TCP's retransmissions. Who calls from outside the group's addresses is never
 * cut. Not modelled: delay, loss.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

export interface PodAddress {
  /** The address that others are told. */
  readonly podHost: string;
  /** Where the processes listen, and where they call from. */
  readonly realHost: string;
}

/** inward: what others send to the member is lost, what it sends arrives. */
export type CutWay = "both" | "inward";

export interface PodNetwork {
  cut(podHost: string, way?: CutWay): void;
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
  const cuts = new Map<string, CutWay>();
  const flows = new Set<Flow>();
  const apply = (): void => {
    for (const flow of flows) setFlowing(flow, cuts);
  };

  const accept = (to: PodAddress, port: number, caller: Socket): void => {
    const from = pods.find((pod) => pod.realHost === caller.remoteAddress) ?? null;
    const target = connect({ host: to.realHost, port, noDelay: true });
    const flow = { from, to, caller, target };
    flows.add(flow);
    join(flow, () => flows.delete(flow));
    setFlowing(flow, cuts);
  };

  const servers = await Promise.all(
    pods.flatMap((pod) => ports.map((port) => listen(pod, port, accept))),
  );
  return {
    cut(podHost, way = "both") {
      cuts.set(podHost, way);
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
  copy(caller, target);
  copy(target, caller);
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

function copy(source: Socket, sink: Socket): void {
  source.on("data", (chunk) => {
    if (!sink.write(chunk)) source.pause();
  });
  source.on("end", () => sink.end());
  sink.on("drain", () => {
    if (!held.has(source)) source.resume();
  });
}

/** A held side is not read from; the kernel's buffers keep what was sent. */
function setFlowing({ from, to, caller, target }: Flow, cuts: ReadonlyMap<string, CutWay>): void {
  const [fromCut, toCut] = [cuts.get(from?.podHost ?? ""), cuts.get(to.podHost)];
  const isSilent = from !== null && (fromCut === "both" || toCut === "both");
  hold(caller, isSilent || (from !== null && toCut === "inward"));
  hold(target, isSilent || fromCut === "inward");
}

function hold(source: Socket, isHeld: boolean): void {
  if (isHeld) held.add(source);
  else held.delete(source);
  if (isHeld) source.pause();
  else source.resume();
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}
