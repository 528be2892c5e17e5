/**
 * How full the volume is, for the metrics.
 *
 * Guarantees: an answer, or null, within a quarter of a second; a disk that does not answer is
 * asked by one question at a time, so that it never takes more than one of the few threads.
 * No decision reads it.
 */
import { statfs } from "node:fs/promises";
import { withDeadline } from "./bounded.ts";

export interface VolumeUsage {
  readonly sizeBytes: number;
  /** Without what is reserved for root. */
  readonly freeBytes: number;
}

export interface Volume {
  usage(): Promise<VolumeUsage | null>;
}

const DEADLINE_MS = 250;

export function openVolume(directory: string, ask: typeof statfs = statfs): Volume {
  let question: Promise<VolumeUsage | null> | null = null;
  const askOnce = async (): Promise<VolumeUsage | null> => {
    try {
      const { bsize, blocks, bavail } = await ask(directory);
      return { sizeBytes: bsize * blocks, freeBytes: bsize * bavail };
    } catch {
      return null;
    } finally {
      question = null;
    }
  };
  return {
    async usage() {
      question ??= askOnce();
      try {
        return await withDeadline(question, DEADLINE_MS);
      } catch {
        return null;
      }
    },
  };
}
