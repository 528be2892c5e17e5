import { describe, expect, test } from "vitest";
import { createScreen } from "../src/terminal/screen.ts";

function recorder(isTTY: boolean, columns = 80) {
  const writes: string[] = [];
  return { isTTY, columns, writes, write: (text: string) => writes.push(text) };
}

/** What a terminal shows after the writes: enough of one for cursor-up and erase-below. */
function shown(writes: readonly string[]): string[] {
  const lines = [""];
  const text = writes.join("").replaceAll("\u001B", "␛");
  for (const part of text.split(/(␛\[\d*[AJ]|␛\[\?25[lh]|\n|\r)/)) {
    const up = /␛\[(\d+)A/.exec(part);
    if (up) lines.splice(lines.length - 1 - Number(up[1]), Infinity, "");
    else if (part === "\n") lines.push("");
    else if (!/^␛|\r/.test(part)) lines[lines.length - 1] += part;
  }
  return lines;
}

describe("the screen", () => {
  test("keeps printed lines above the block, and draws the block anew in place", () => {
    const output = recorder(true);
    const screen = createScreen(output);
    screen.draw([{ text: "a: primary" }, { text: "b: replica" }]);
    screen.print("a died");
    screen.draw([{ text: "a: down" }, { text: "b: primary" }]);
    expect(shown(output.writes)).toEqual(["a died", "a: down", "b: primary", ""]);
  });

  test("cuts the block's lines so that none wraps", () => {
    const output = recorder(true, 50);
    createScreen(output).draw([{ text: "x".repeat(60) }]);
    expect(shown(output.writes)[0]).toHaveLength(49);
  });

  test("shows the cursor again when it closes, and draws no more", () => {
    const output = recorder(true);
    const screen = createScreen(output);
    screen.close();
    screen.draw([{ text: "late" }]);
    expect(output.writes.at(-1)).toBe("\u001B[?25h");
  });

  test("writes plain lines and no block where there is no terminal", () => {
    const output = recorder(false);
    const screen = createScreen(output);
    screen.draw([{ text: "block", style: "green" }]);
    screen.print("a died");
    screen.close();
    expect(output.writes).toEqual(["a died\n"]);
  });
});
