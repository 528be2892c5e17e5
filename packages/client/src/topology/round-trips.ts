/**
 * How long each node takes to answer, smoothed: one slow answer moves no reads.
 *
 * Guarantees: bounded, whatever addresses come and go. A node behind a Service is known by the
 * address that it sees itself, since that of the Service is everybody's.
 */
import type { Address, NodeDescription, NodeProof } from "../types.ts";

/** Of a new measurement. */
const WEIGHT = 0.2;
/** More than the nodes of a group and the addresses that they had before. */
const KEPT = 256;

export class RoundTrips {
  /** Oldest measurement first. */
  readonly #smoothedMs = new Map<string, number>();

  proved(
    { host, port }: Address,
    { localAddress, rttMs }: Pick<NodeProof, "localAddress" | "rttMs">,
  ): void {
    for (const place of new Set([`${host}:${port}`, localAddress ?? `${host}:${port}`])) {
      const before = this.#smoothedMs.get(place) ?? rttMs;
      this.#smoothedMs.delete(place);
      this.#smoothedMs.set(place, before + WEIGHT * (rttMs - before));
    }
    const [oldest] = this.#smoothedMs.keys();
    if (this.#smoothedMs.size > KEPT && oldest !== undefined) this.#smoothedMs.delete(oldest);
  }

  of({ id, host, port, viaService = false }: NodeDescription): number | null {
    return this.#smoothedMs.get(viaService ? id : `${host}:${port}`) ?? null;
  }
}
