/**
 * The log: one JSON line per decision that changed something, in words, and warnings.
 *
 * Guarantees: a reader that stalls never stalls the sidecar (lines beyond 1 MiB in memory are
 * dropped); secrets do not appear, since no settings are ever logged.
 */
import { pino, type Logger } from "pino";

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error" | "fatal">;

export interface LogOptions {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "json" | "text";
  readonly member: string;
}

export interface OpenLog {
  readonly log: Log;
  /** Everything written so far has left the process when it returns. */
  flush(): void;
}

const DROP_BEYOND_BYTES = 1024 * 1024;

export function openLog(options: LogOptions): OpenLog {
  const destination = pino.destination({ dest: 1, sync: false, maxLength: DROP_BEYOND_BYTES });
  const sink =
    options.format === "json" ? destination : { write: (line: string) => writeText(line) };
  const log = pino(
    {
      level: options.level,
      base: { member: options.member },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: "words",
    },
    sink,
  );
  function writeText(line: string): void {
    destination.write(textLine(line));
  }
  return {
    log,
    flush() {
      try {
        destination.flushSync();
      } catch {
        // Standard output is closed or was never ready: nobody reads.
      }
    },
  };
}

interface Line {
  readonly time: string;
  readonly level: string;
  readonly member: string;
  readonly words?: string;
  readonly reason?: string;
  readonly epoch?: number;
}

/** `12:00:00.123 orders-0 took over … (acquireExpired, epoch 7)` */
export function textLine(json: string): string {
  const line = JSON.parse(json) as Line;
  const level = line.level === "info" ? "" : `${line.level}: `;
  const reason = line.reason === undefined ? "" : ` (${line.reason}, epoch ${line.epoch ?? "-"})`;
  return `${line.time.slice(11, 23)} ${line.member} ${level}${line.words ?? ""}${reason}\n`;
}
