/**
 * Hands on the lines that a process appends to its log file.
 *
 * Reads only when asked to (`poll`), whole lines only, at most a bounded piece at a time. A file
 * that does not exist yet is an empty one.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";

export interface LogFollower {
  poll(): void;
  close(): void;
}

const PIECE_BYTES = 256 * 1024;

export function followLog(file: string, onLine: (line: string) => void): LogFollower {
  const piece = Buffer.alloc(PIECE_BYTES);
  const decoder = new StringDecoder("utf8");
  let descriptor: number | null = null;
  let position = 0;
  let unfinished = "";
  return {
    poll() {
      descriptor ??= openIfThere(file);
      if (descriptor === null) return;
      const length = readSync(descriptor, piece, 0, PIECE_BYTES, position);
      position += length;
      const lines = (unfinished + decoder.write(piece.subarray(0, length))).split("\n");
      unfinished = lines.pop() ?? "";
      for (const line of lines) onLine(line);
    },
    close() {
      if (descriptor !== null) closeSync(descriptor);
      descriptor = null;
    },
  };
}

function openIfThere(file: string): number | null {
  try {
    return openSync(file, "r");
  } catch {
    return null;
  }
}
