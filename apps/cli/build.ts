/**
 * Bundles the command line into one file that Node runs without `node_modules`.
 *
 * Use: `node build.ts [OUTFILE]`, by default `dist/leasehold.mjs`. `demo` starts the sidecar from
 * its sources, so that it works in a clone only.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { build } from "esbuild";

const manifest = readFileSync(new URL("package.json", import.meta.url), "utf8");
const { version } = JSON.parse(manifest) as { readonly version: string };

await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ["src/main.ts"],
  outfile: resolve(process.argv[2] ?? `${import.meta.dirname}/dist/leasehold.mjs`),
  bundle: true,
  platform: "node",
  target: "node24",
  format: "esm",
  minifySyntax: true,
  legalComments: "linked",
  sourcemap: true,
  // The manifest stays behind.
  define: { LEASEHOLD_VERSION: JSON.stringify(version) },
  logLevel: "warning",
  // Some dependencies are CommonJS and call `require` for Node's own modules.
  banner: {
    js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
  },
});
