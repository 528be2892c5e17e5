/** Where Redis listens and who we are there. */
import type { ConnectionOptions } from "node:tls";

export type RedisServerOptions = RedisEndpoint & {
  /** ACL user; absent or empty: the default user. */
  readonly username?: string;
  /**
   * Absent or empty: Redis asks for none. A function is asked at every new connection, so that a
   * rotated password is used without a restart.
   */
  readonly password?: string | (() => string);
  /** Who asks for the stream, which our user may not read; absent: our user. */
  readonly streamAs?: { readonly username: string; readonly password: () => string };
};

export type RedisEndpoint =
  /** Path of the unix socket. */
  | { readonly socket: string }
  | { readonly host: string; readonly port: number; readonly tls?: ConnectionOptions };

/** For log lines: names the endpoint, never the password. */
export function describeEndpoint(endpoint: RedisEndpoint): string {
  return "socket" in endpoint ? endpoint.socket : `${endpoint.host}:${endpoint.port}`;
}

export function passwordOf(options: RedisServerOptions): string {
  const { password = "" } = options;
  return typeof password === "function" ? password() : password;
}

/** The user's name as Redis knows it. */
export function userOf(options: RedisServerOptions): string {
  return options.username === undefined || options.username === "" ? "default" : options.username;
}
