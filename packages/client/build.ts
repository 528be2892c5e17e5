/**
 * Compiles the package to `dist`, file by file: what is published is what is here, in JavaScript.
 * `node build.ts`
 */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const compiler = join(
  dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
  "bin/tsc",
);
rmSync(join(import.meta.dirname, "dist"), { recursive: true, force: true });
execFileSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
  cwd: import.meta.dirname,
  stdio: "inherit",
});
