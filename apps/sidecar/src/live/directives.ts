/**
 * Lines of redis.conf as `CONFIG SET` takes them, and what has changed between two lists. Pure.
 *
 * A directive may have several lines (`save`, `client-output-buffer-limit`); `CONFIG SET` takes
 * them as one value. Words are read as Redis reads them: quoted ones may hold blanks.
 */
export interface Directive {
  readonly name: string;
  /** All its words behind the name. */
  readonly value: string;
  readonly lines: readonly string[];
}

export interface ConfigurationChange {
  /** Other words than before, or new. */
  readonly changed: readonly Directive[];
  /** Their defaults come back only with another start of Redis. */
  readonly removed: readonly string[];
}

/** In the order of their first lines. Comments and empty lines are none. */
export function directivesOf(lines: readonly string[]): readonly Directive[] {
  const byName = new Map<string, Directive>();
  for (const line of lines) {
    const [name, ...words] = wordsOf(line);
    if (name === undefined || name.startsWith("#")) continue;
    const key = name.toLowerCase();
    const before = byName.get(key);
    byName.set(key, {
      name: key,
      value: [...(before ? [before.value] : []), ...words].join(" "),
      lines: [...(before?.lines ?? []), line],
    });
  }
  return [...byName.values()];
}

export function changeOf(before: readonly string[], after: readonly string[]): ConfigurationChange {
  const old = new Map(directivesOf(before).map(({ name, value }) => [name, value]));
  const now = directivesOf(after);
  const names = new Set(now.map(({ name }) => name));
  return {
    changed: now.filter(({ name, value }) => old.get(name) !== value),
    removed: [...old.keys()].filter((name) => !names.has(name)),
  };
}

/** The lines with this directive as it is now. */
export function withDirective(lines: readonly string[], directive: Directive): readonly string[] {
  const others = directivesOf(lines).filter(({ name }) => name !== directive.name);
  return [...others.flatMap((other) => other.lines), ...directive.lines];
}

const WORD = /"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|(\S+)/g;

function wordsOf(line: string): readonly string[] {
  return [...line.matchAll(WORD)].map(([, double, single, plain = ""]) =>
    (double ?? single ?? plain).replaceAll(/\\(["'\\])/g, "$1"),
  );
}
