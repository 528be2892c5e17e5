/**
 * A terminal with a log that scrolls and one block below it that is drawn anew in place.
 *
 * Only cursor movement and erasing; a stream that is no terminal gets the log lines and no block.
 */
import { styleText } from "node:util";

export type Style = "bold" | "dim" | "green" | "red" | "yellow";

/** One line of the block; styled as a whole, so that it can be cut to the terminal's width. */
export interface BlockLine {
  readonly text: string;
  readonly style?: Style;
}

export interface Output {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface Screen {
  /** False: blocks are not shown. */
  readonly live: boolean;
  /** One line that stays. The style is for terminals. */
  print(line: string, style?: Style): void;
  /** Replaces the block. Lines are cut to the width of the terminal. */
  draw(lines: readonly BlockLine[]): void;
  /** Leaves the last block standing, and the cursor below it. */
  close(): void;
}

const HIDE_CURSOR = "\u001B[?25l";
const SHOW_CURSOR = "\u001B[?25h";
const ERASE_BELOW = "\u001B[0J";
const NARROWEST_COLUMNS = 40;

export function createScreen(output: Output): Screen {
  if (output.isTTY !== true) {
    const print = (line: string) => void output.write(`${line}\n`);
    return { live: false, print, draw: () => {}, close: () => {} };
  }
  let block: readonly string[] = [];
  let closed = false;
  const erase = () => (block.length === 0 ? "" : `\u001B[${block.length}A\r${ERASE_BELOW}`);
  const render = () => block.map((line) => `${line}\n`).join("");
  output.write(HIDE_CURSOR);
  return {
    live: true,
    print(line, style) {
      output.write(`${erase()}${styled(line, style)}\n${render()}`);
    },
    draw(lines) {
      if (closed) return;
      const columns = Math.max(NARROWEST_COLUMNS, output.columns ?? 80);
      const before = erase();
      block = lines.map((line) => styled(line.text.slice(0, columns - 1), line.style));
      output.write(`${before}${render()}`);
    },
    close() {
      if (closed) return;
      closed = true;
      block = [];
      output.write(SHOW_CURSOR);
    },
  };
}

function styled(text: string, style: Style | undefined): string {
  return style === undefined ? text : styleText(style, text, { validateStream: false });
}
