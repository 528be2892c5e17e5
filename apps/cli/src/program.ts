/**
 * The command line as a function: arguments in, exit code out. Never throws, never ends the
 * process; messages go to stderr, and every error has one of the codes in exit.ts.
 */
import { Command, CommanderError } from "commander";
import { COMMANDS } from "./commands.ts";
import { EXIT, CommandError } from "./exit.ts";
import type { Session } from "./session.ts";

export async function runCommandLine(args: readonly string[], session: Session): Promise<number> {
  try {
    const program = await buildProgram(session, wantedCommand(args));
    await program.parseAsync([...args], { from: "user" });
    return EXIT.done;
  } catch (error) {
    return exitCodeOf(error, session);
  }
}

/** With the one command loaded that is wanted; of the others the names are enough. */
export async function buildProgram(session: Session, wanted: string | null): Promise<Command> {
  const program = new Command(session.programName)
    .description("one stable write address for Redis on Kubernetes, elected through the Lease API")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void session.stdout.write(text),
      writeErr: (text) => void session.stderr.write(text),
    });
  for (const entry of COMMANDS) {
    const { name, summary } = entry;
    const command = name === wanted ? await entry.load(session) : new Command(name);
    program.addCommand(command.description(summary).copyInheritedSettings(program));
  }
  return program;
}

/** `help status` is about status, too. */
function wantedCommand(args: readonly string[]): string | null {
  const names = args.filter((arg) => !arg.startsWith("-"));
  const name = names[0] === "help" ? names[1] : names[0];
  return name ?? null;
}

function exitCodeOf(error: unknown, session: Session): number {
  if (error instanceof CommanderError) {
    // It has said so itself; help that was asked for is no error.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  const words = error instanceof Error ? error.message : String(error);
  if (words !== "") session.stderr.write(`${words}\n`);
  if (error instanceof CommandError) return EXIT[error.exit];
  return session.signal.aborted ? EXIT.interrupted : EXIT.unexpected;
}
