/**
 * Pipelines of ioredis that leave nothing behind once they are done.
 *
 * ioredis gives each pipeline a getter of its own for `length`. V8 allocates such a getter among
 * its old objects, and so the pipeline that it refers to, with all commands and replies, outlives
 * each small collection: to move them about takes more time than to send them. Here one getter
 * serves all.
 *
 * Guarantees: behaves as the pipeline that it is made from, and is an instance of its class; if
 * ioredis keeps anything else in a pipeline than 6.0 does, it is handed back as it is.
 */
import { Pipeline, Redis } from "ioredis";

type Made = ReturnType<Redis["pipeline"]>;

/** What a new pipeline has, beside the scripts that are defined on its connection. */
const KNOWN = [
  ...["options", "scriptsSet", "addedBuiltinSet", "redis", "isPipeline", "isCluster"],
  ...["replyPending", "_transactions", "_shaToScript", "_queue", "_result"],
  ...["promise", "resolve", "reject", "length"],
];

class LightPipeline {
  declare private readonly _queue: readonly unknown[];

  constructor(made: Made) {
    Object.assign(this, made, { _queue: [], _result: [] }, Promise.withResolvers());
  }

  get length(): number {
    return this._queue.length;
  }
}
Object.setPrototypeOf(LightPipeline.prototype, Pipeline.prototype);

let isKnown: boolean | null = null;

/** `made`: nothing was asked of it yet. */
export function light(made: Made): Made {
  isKnown ??= isAsKnown(new Redis({ lazyConnect: true }).pipeline());
  return isKnown ? (new LightPipeline(made) as unknown as Made) : made;
}

export function isAsKnown(pipeline: object): boolean {
  const names = Reflect.ownKeys(pipeline);
  return names.length === KNOWN.length && KNOWN.every((name) => names.includes(name));
}
