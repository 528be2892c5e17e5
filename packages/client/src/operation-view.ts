/**
 * The same connection under other options: what is called on the view is sent with its deadline and
 * its signal. A view has no connection and no state of its own.
 */
import type { Command } from "ioredis";
import { CORE, type Follower } from "./follower.ts";
import type { ResolvedOptions } from "./operation.ts";

export function viewOf(
  follower: Follower,
  options: ResolvedOptions,
  sending?: (command: Command) => void,
): Follower {
  const send: Follower["sendCommand"] = (command, stream) => {
    sending?.(command);
    return follower[CORE].path.send(command, stream, options);
  };
  // A pipeline that others share would run under whose options came first.
  const redisOptions = new Proxy(follower.options, {
    get: (target, name) =>
      name === "enableAutoPipelining" ? false : (Reflect.get(target, name) as unknown),
  });
  return new Proxy(follower, {
    get(target, name, view) {
      if (name === "sendCommand") return send;
      if (name === "options") return redisOptions;
      return Reflect.get(target, name, view) as unknown;
    },
    // What ioredis notes on the connection belongs to the connection.
    set: (target, name, value) => Reflect.set(target, name, value),
  });
}
