import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LeaderUnavailableError, WriteOutcomeUnknownError } from "../src/errors.ts";
import { outcomeOf, rejectedIn, rejectionOf } from "../src/outcome.ts";

const CODES = ["READONLY", "REDIRECT", "MASTERDOWN", "LOADING", "NOREPLICAS"] as const;
const code = fc.constantFrom(...CODES);
/** Redis' own, as it is answered. */
const sentence = fc.constantFrom(
  "READONLY You can't write against a read only replica.",
  "REDIRECT 10.0.0.1:6379",
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  "LOADING Redis is loading the dataset in memory",
  "NOREPLICAS Not enough good replicas to write.",
);
const words = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll(/[\r\n]/g, " "));
const plain = fc.constantFrom("set", "INCR", "blpop", "exec", "publish", "hset");
const script = fc.constantFrom("eval", "EVALSHA", "fcall");

function replyError(message: string, name?: string): Error {
  const error = new Error(message);
  error.name = "ReplyError";
  return name === undefined ? error : Object.assign(error, { command: { name, args: [] } });
}

describe("whatever a server says", () => {
  test("a command that it refuses by one of the codes did not run, in any spelling", () => {
    const refused = fc.property(code, words, plain, (word, rest, name) => {
      const message = `${word} ${rest}`;
      expect(rejectionOf(message, name)).toBe(word);
      expect(outcomeOf(replyError(message, name))).toBe("not-applied");
    });
    fc.assert(refused);
  });

  test("a script's own words never pass for a refusal, whatever word it begins them with", () => {
    const own = fc.property(code, words, script, (word, rest, name) => {
      fc.pre(!/^(You can't write|\S+:\d+$|Link with|\w+ is loading|Not enough)/.test(rest));
      expect(rejectionOf(`${word} ${rest}`, name)).toBeNull();
      expect(outcomeOf(replyError(`${word} ${rest}`, name))).toBe("unknown");
    });
    fc.assert(own);
  });

  test("Redis' own sentence refuses a script, too, with Redis 6's words around it or without", () => {
    const refused = fc.property(sentence, script, fc.boolean(), (said, name, isOld) => {
      const message = isOld
        ? `ERR Error running script (call to f_0): @user_script:1: -${said}`
        : said;
      expect(rejectionOf(message, name)).toBe(said.split(" ", 1)[0]);
      expect(outcomeOf(replyError(message, name))).toBe("not-applied");
    });
    fc.assert(refused);
  });

  test("what is said to nobody knows which command is unknown, unless it is a refusal", () => {
    const anonymous = fc.property(words, (message) => {
      const isKnown = CODES.some((word) => message.split(" ", 1)[0] === word);
      fc.pre(!isKnown && !message.startsWith("NOSCRIPT") && !message.startsWith("UNBLOCKED"));
      expect(outcomeOf(replyError(message))).toBe("unknown");
    });
    fc.assert(anonymous);
  });
});

test("what no server said, and no error of the client, is unknown", () => {
  const anything = fc.property(
    fc.oneof(
      fc.anything(),
      words.map((text) => new Error(text)),
    ),
    (it) => {
      expect(outcomeOf(it)).toBe("unknown");
    },
  );
  fc.assert(anything);
});

test("among the results of a pipeline the failed ones are told with their place and their outcome", () => {
  const fields = { lastLeader: null, lostForMs: null, reason: "" };
  const error = fc.constantFrom(
    new LeaderUnavailableError("none", fields),
    new WriteOutcomeUnknownError("lost", { writtenMsAgo: 1, lostBecause: "" }),
    replyError("WRONGTYPE", "incr"),
    null,
  );
  const pipelines = fc.property(fc.array(error), (errors) => {
    const told = rejectedIn(errors.map((one) => [one, "reply"] as const));
    expect(told.map(({ index }) => errors[index])).toEqual(errors.filter((one) => one !== null));
    for (const one of told) expect(one.outcome).toBe(outcomeOf(one.error));
  });
  fc.assert(pipelines);
});
