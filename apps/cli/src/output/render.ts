/** One set of data, in the format that the user wants. JSON and YAML hold exactly the same. */
import { styleText } from "node:util";
import { stringify } from "yaml";
import type { Format } from "../flags.ts";
import type { Session } from "../session.ts";

export interface Views {
  /** For programs; a field is never renamed. */
  readonly data: unknown;
  /** For people. */
  /** Lines that begin with `! ` are troubles. */
  readonly lines: (isWide: boolean) => readonly string[];
  /** The one word that a script wants, such as the leader's name; null: there is none. */
  readonly name: string | null;
}

export function render(format: Format, views: Views): string {
  switch (format) {
    case "json":
      return `${JSON.stringify(views.data, null, 2)}\n`;
    case "yaml":
      return stringify(views.data);
    case "name":
      return views.name === null ? "" : `${views.name}\n`;
    case "table":
    case "wide":
      return [...views.lines(format === "wide"), ""].join("\n");
  }
}

export interface PrintFlags {
  readonly output: Format;
  /** Default: as the terminal has it. */
  readonly color?: boolean;
}

export function print(session: Session, { output, color }: PrintFlags, views: Views): void {
  const { stdout, environment } = session;
  const text = render(output, views);
  const isPlain = color === false || stdout.isTTY !== true || Boolean(environment["NO_COLOR"]);
  stdout.write(isPlain ? text : text.replaceAll(/^! .*$/gm, (line) => red(line)));
}

function red(line: string): string {
  return styleText("red", line, { validateStream: false });
}
