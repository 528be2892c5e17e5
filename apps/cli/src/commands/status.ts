/** `leasehold status`: what a member knows of its group. */
import { Command } from "commander";

const TIMEOUT_MS = 3000;

export function statusCommand(): Command {
  return new Command("status")
    .description("print what a member knows of its group")
    .requiredOption("--url <url>", "a member's status address, http://<host>:8008")
    .action(async ({ url }: { readonly url: string }) => {
      const topology = await readTopology(url);
      process.stdout.write(`${JSON.stringify(topology, null, 2)}\n`);
    });
}

async function readTopology(url: string): Promise<unknown> {
  const address = new URL("/v1/topology", url);
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return await response.json();
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error;
    throw new Error(
      `${address.href} did not answer (${String(cause)}): is it a member's port 8008?`,
      { cause: error },
    );
  }
}
