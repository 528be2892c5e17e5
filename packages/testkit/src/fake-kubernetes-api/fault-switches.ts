/** Faults that need more than one request: pulled cables, cut connections, versions too old. */
import type { Socket } from "node:net";
import type { FaultBoard, Faults } from "./faults.ts";
import type { ObjectStore } from "./object-store.ts";
import type { OpenWatch } from "./watch.ts";

export function faultsOf(parts: {
  readonly board: FaultBoard;
  readonly store: ObjectStore;
  readonly watches: ReadonlySet<OpenWatch>;
  readonly owners: ReadonlyMap<Socket, string>;
}): Faults {
  const { board, store, watches, owners } = parts;
  return {
    inject: board.inject,
    clear: board.clear,
    outage(identity) {
      const scope = identity === undefined ? {} : { identity };
      const ends = [
        board.inject({ kind: "loseRequest" }, scope),
        board.inject({ kind: "holdWatches" }, scope),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
    closeConnections(identity) {
      for (const [socket, owner] of owners) {
        if (identity === undefined || owner === identity) socket.destroy();
      }
    },
    expireWatches() {
      store.compact();
      for (const watch of watches) watch.expire();
    },
  };
}
