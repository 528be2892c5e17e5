/** What a command may touch of its process: so that tests run it without one. */

export interface Session {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborts at Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: Output;
  readonly stderr: Output;
  /** How the user calls us: `leasehold`, or `kubectl leasehold`. */
  readonly programName: string;
}

export interface Output {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}
