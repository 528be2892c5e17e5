/**
 * A group behind its Services, and nothing else: each look is a fresh connection, since an
 * established one stays with the pod that it once reached.
 *
 * Needs no Kubernetes API, and works from outside the cluster. There is no epoch here.
 */
import { InvalidOptionError } from "../errors.ts";
import { observationOf } from "../topology/monitor.ts";
import type { Address, NodeDescription, TopologyProvider } from "../types.ts";
import { paced, type Paced } from "./paced.ts";

/** Of `serviceTopology`. */
export interface ServiceTopologyOptions {
  /** `host` or `host:port` of the write Service. */
  readonly writer: string;
  /** The same of the Service of the replicas. Default: none. */
  readonly readers?: string;
  /** Default 2000 ms. */
  readonly probeIntervalMs?: number;
}

const REDIS_PORT = 6379;

/**
 * Follows Services alone, also from outside the cluster: looks through a fresh connection.
 *
 * Without epochs: what a stale leader can do is in the README.
 *
 * @throws InvalidOptionError
 */
export function serviceTopology(options: ServiceTopologyOptions): TopologyProvider {
  const writer = parseAddress("writer", options.writer);
  const readers = options.readers === undefined ? null : parseAddress("readers", options.readers);
  let rounds: Paced | null = null;
  return {
    name: "service",
    start(sink, signal, tools) {
      const nodeAt = async (address: Address): Promise<NodeDescription | null> => {
        try {
          const proof = await tools.probe(address, signal);
          const id = proof.localAddress ?? `${address.host}:${address.port}`;
          const [node] = observationOf(address, { id, proof, zone: null }).nodes;
          return node ? { ...node, viaService: true } : null;
        } catch (error) {
          const where = `${address.host}:${address.port}`;
          if (!signal.aborted) sink.fault(new Error(`${where} does not answer`, { cause: error }));
          return null;
        }
      };
      const tell = (leaderId: string | null, nodes: readonly NodeDescription[]): void => {
        const base = { version: null, epoch: null, expectedNodes: null, authoritative: false };
        if (signal.aborted) return;
        sink.observe({ source: "service", ...base, leaderId, nodes, via: "probe" });
      };
      const lookAtWriter = async (): Promise<void> => {
        const node = await nodeAt(writer);
        if (node) tell(node.role === "primary" && node.state === "up" ? node.id : null, [node]);
      };
      const lookAtReaders = async (): Promise<void> => {
        const node = readers && (await nodeAt(readers));
        if (node?.role === "replica") tell(null, [node]);
      };
      const round = async (): Promise<void> => {
        await Promise.all([lookAtWriter(), lookAtReaders()]);
      };
      rounds = paced(round, options.probeIntervalMs ?? 2_000, signal);
    },
    requestCheck: () => rounds?.hurry(),
  };
}

export function parseAddress(option: string, text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? REDIS_PORT : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new InvalidOptionError(option, `${JSON.stringify(text)} is no host:port`);
  }
  return { host, port };
}
