/**
 * Reads a file with one secret. Bounded in size and time; a line's end after the secret is none
 * of it. Errors name the key of the settings and the file, never what is in it.
 */
import { createReadStream } from "node:fs";
import { withDeadline } from "../bounded.ts";

const LIMIT_BYTES = 64 * 1024;
const DEADLINE_MS = 2_000;

/** Null: there is no such file. Rejects if it cannot be read, is empty or longer than 64 KiB. */
export async function readSecretFile(path: string, key: string): Promise<string | null> {
  let bytes: Buffer | null;
  try {
    bytes = await withDeadline(readAtMost(path, LIMIT_BYTES), DEADLINE_MS);
  } catch (error) {
    throw new Error(`${key} (${path}) cannot be read: ${String(error)}`, { cause: error });
  }
  if (bytes === null) return null;
  if (bytes.length > LIMIT_BYTES) {
    throw new Error(`${key} (${path}) is longer than ${LIMIT_BYTES} bytes: name a smaller file.`);
  }
  const secret = bytes.toString("utf8").replace(/[\r\n]+$/, "");
  if (secret === "") throw new Error(`${key} (${path}) is empty: put the secret there.`);
  return secret;
}

/** Rejects also if there is no such file. */
export async function readNeeded(path: string, key: string): Promise<string> {
  const secret = await readSecretFile(path, key);
  if (secret === null) throw new Error(`${key} (${path}) is not there: mount the Secret with it.`);
  return secret;
}

/** One byte more than `limit` says that there is more. Null: there is no such file. */
export async function readAtMost(path: string, limit: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(path, { end: limit })) chunks.push(chunk as Buffer);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  return Buffer.concat(chunks);
}
