/** `leasehold version`: of this program; `status -o wide` shows those of the sidecars. */
import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { FORMATS, type Format } from "../flags.ts";
import { API_VERSION } from "../group/status.ts";
import { print } from "../output/render.ts";
import type { Session } from "../session.ts";

/** Put in by build.ts; the sources have their manifest. */
declare const LEASEHOLD_VERSION: string | undefined;

export function versionCommand(session: Session): Command {
  return new Command("version")
    .addOption(
      new Option("-o, --output <format>").choices([...FORMATS]).default("table" satisfies Format),
    )
    .action(({ output }: { readonly output: Format }) => {
      const version = versionOf();
      print(
        session,
        { output },
        {
          data: { apiVersion: API_VERSION, kind: "Version", version, node: process.version },
          lines: () => [`leasehold ${version}`],
          name: version,
        },
      );
    });
}

function versionOf(): string {
  if (typeof LEASEHOLD_VERSION === "string") return LEASEHOLD_VERSION;
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { readonly version: string }).version;
}
