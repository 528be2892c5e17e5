/**
 * Bundles the sidecar into one file that Node runs without `node_modules`.
 *
 * Use: `node build.ts [OUTFILE]`, by default `dist/leasehold-sidecar.mjs`. Run the file with
 * `node --max-semi-space-size=1`: it allocates little, and a small nursery saves 12 MiB.
 */
import { resolve } from "node:path";
import { build } from "esbuild";

await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ["src/main.ts"],
  outfile: resolve(process.argv[2] ?? `${import.meta.dirname}/dist/leasehold-sidecar.mjs`),
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  minifySyntax: true,
  legalComments: "linked",
  sourcemap: true,
  logLevel: "warning",
  // Some dependencies are CommonJS and call `require` for Node's own modules.
  banner: {
    js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
  },
});
