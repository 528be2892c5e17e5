/**
 * A Secret as the kubelet mounts it: `<file>` is a link to `..data/<file>`, and `..data` a link
 * that is exchanged by a rename when the Secret changes, so that all files change at once.
 */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SecretVolume {
  path(file: string): string;
  /** All files of the Secret; those that are not named keep what they have. */
  set(files: Readonly<Record<string, string>>): void;
  remove(): void;
}

export function mountSecret(files: Readonly<Record<string, string>>): SecretVolume {
  const folder = mkdtempSync(join(tmpdir(), "leasehold-secret-"));
  const mounted = new Map<string, string>();
  let version = 0;
  const volume: SecretVolume = {
    path: (file) => join(folder, file),
    set(changed) {
      version += 1;
      const data = `..version-${version}`;
      mkdirSync(join(folder, data));
      for (const [file, text] of Object.entries(changed)) {
        if (!mounted.has(file)) symlinkSync(join("..data", file), join(folder, file));
        mounted.set(file, text);
      }
      for (const [file, text] of mounted) {
        writeFileSync(join(folder, data, file), text, { mode: 0o600 });
      }
      symlinkSync(data, join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
      if (version > 1) rmSync(join(folder, `..version-${version - 1}`), { recursive: true });
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
  volume.set(files);
  return volume;
}
