/**
 * Files that a reader never sees half written: a temporary file in the same folder, renamed.
 */
import { closeSync, openSync, renameSync, writeSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Redis' container may run as another user of the same group. */
const GROUP_READS = 0o640;

/** For a tmpfs: synchronous, without fsync. Throws what the file system throws. */
export function replaceFileSync(path: string, text: string, mode = GROUP_READS): void {
  const temporary = `${path}.tmp`;
  const file = openSync(temporary, "w", mode);
  try {
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

/** For a disk: on return the new content and its name survive a power loss. */
export async function replaceFileDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(dirname(path), "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
