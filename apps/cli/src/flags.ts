/** The flags that every command about a group has, and how their values are read. */
import { Argument, InvalidArgumentError, Option, type Command } from "commander";

export const FORMATS = ["table", "wide", "json", "yaml", "name"] as const;
export type Format = (typeof FORMATS)[number];

export interface CommonFlags {
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly output: Format;
  /** Milliseconds. */
  readonly timeout: number;
  readonly yes: boolean;
  readonly color: boolean;
}

/** Adds `[NAME]` and the common flags. */
export function withCommonFlags(command: Command): Command {
  return command
    .addArgument(new Argument("[name]", "the group; default: the only one of the namespace"))
    .option("-n, --namespace <name>", "default: that of the kubeconfig's context")
    .option("--context <name>", "of the kubeconfig; default: its current one")
    .option("--kubeconfig <file>", "default: $KUBECONFIG, then ~/.kube/config, then the pod's own")
    .addOption(new Option("-o, --output <format>").choices([...FORMATS]).default("table"))
    .addOption(
      new Option("--timeout <time>", "how long to wait in all")
        .argParser(parseSpan)
        .default(30_000, "30s"),
    )
    .option("--yes", "do not ask", false)
    .option("--no-color", "no colours (also: $NO_COLOR)");
}

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const LONGEST_MS = 30 * 24 * UNIT_MS.h;

/** `500ms`, `30s`, `5m`, `1h`, `1h30m`. */
export function parseSpan(text: string): number {
  const parts = [...text.matchAll(/(\d+)(ms|s|m|h)/g)];
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join("") === text;
  const spanMs = parts.reduce((sum, [, count, unit]) => sum + Number(count) * unitMs(unit), 0);
  if (isWhole && spanMs > 0 && spanMs <= LONGEST_MS) return spanMs;
  throw new InvalidArgumentError("Use a time such as 500ms, 30s, 5m or 1h30m.");
}

function unitMs(unit: string | undefined): number {
  return UNIT_MS[unit as keyof typeof UNIT_MS];
}

export function integerBetween(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Use a whole number from ${least} to ${most}.`);
  };
}
