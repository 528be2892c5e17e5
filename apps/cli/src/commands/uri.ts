/** `leasehold uri`: what a client inside the cluster connects to. */
import { Command } from "commander";
import { CommandError } from "../exit.ts";
import { needed } from "../group/connect.ts";
import { groupCommand } from "../group-command.ts";
import { API_VERSION, valueOf } from "../group/status.ts";
import { print } from "../output/render.ts";
import type { Session } from "../session.ts";

interface Flags {
  readonly read: boolean;
  readonly withPassword: boolean;
  readonly secret?: string;
  readonly secretKey: string;
}

const DEFAULT_PORT = 6379;

export function uriCommand(session: Session): Command {
  const command = new Command("uri")
    .option("--read", "the read address: any member that is in sync", false)
    .option("--with-password", "with the password out of its Secret", false)
    .option("--secret <name>", "default: the group's name")
    .option("--secret-key <key>", "in that Secret", "redis-password");
  return groupCommand<Flags>(session, command, async (context) => {
    const { group, namespace, flags, reader } = context;
    const service = flags.read ? `${group}-read` : group;
    const found = await reader.servicePort(service);
    if (found.kind === "missing") {
      throw new CommandError("usage", `no Service ${service} in namespace ${namespace}`);
    }
    if (found.kind === "failed") needed(found, namespace);
    // Who may not look at Services gets the usual port.
    const { port, isTls } = valueOf(found) ?? { port: DEFAULT_PORT, isTls: false };
    const password = flags.withPassword ? await passwordOf(context) : null;
    const user = password === null ? "" : `:${encodeURIComponent(password)}@`;
    const uri = `${isTls ? "rediss" : "redis"}://${user}${service}.${namespace}:${port}`;
    print(session, flags, {
      data: { apiVersion: API_VERSION, kind: "Uri", group, namespace, uri },
      lines: () => [uri],
      name: uri,
    });
  });
}

async function passwordOf(
  context: Parameters<Parameters<typeof groupCommand<Flags>>[2]>[0],
): Promise<string> {
  const { group, namespace, flags, reader } = context;
  const name = flags.secret ?? group;
  const password = needed(await reader.secret(name, flags.secretKey), namespace);
  if (password !== null) return password;
  throw new CommandError(
    "usage",
    `no key ${flags.secretKey} in Secret ${name} of namespace ${namespace}: ` +
      `name them with --secret and --secret-key`,
  );
}
