/**
 * The database that a connection is in, over changes of server.
 *
 * Guarantees: what is sent again runs in the database for which it was meant, and afterwards the
 * connection is where its callers have left it.
 */
import { Command, type Redis } from "ioredis";

export class Database {
  readonly #redis: Pick<Redis, "condition">;
  readonly #send: (command: Command) => void;
  #isDisplaced = false;
  /** Of the last connection when it was lost; ioredis selects it again. */
  last: number;

  constructor(redis: Pick<Redis, "condition" | "options">, send: (command: Command) => void) {
    this.#redis = redis;
    this.#send = send;
    this.last = redis.options.db ?? 0;
  }

  /** Callers have left the connection where it is now: it is lost, or they have to wait. */
  remember(): void {
    if (!this.#isDisplaced) this.last = this.#redis.condition?.select ?? this.last;
  }

  /** Before an operation is sent: one that was sent before is meant for `db`; null: a new one. */
  enter(db: number | null): void {
    if (db === null && !this.#isDisplaced) return;
    this.remember();
    this.#isDisplaced = db !== null;
    this.#select(db ?? this.last);
  }

  #select(db: number): void {
    if (this.#redis.condition?.select === db) return;
    const command = new Command("select", [String(db)]);
    command.promise.catch(() => {});
    this.#send(command);
  }
}
