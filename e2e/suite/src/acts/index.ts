/** All acts, in the order in which they are played. */
import { API_FAULTS } from "./api.ts";
import type { Act } from "./act.ts";
import { CLIENTS } from "./clients.ts";
import { DRAINS } from "./drain.ts";
import { FAULTS } from "./faults.ts";
import { GROUPS } from "./groups.ts";
import { MOVES } from "./moves.ts";
import { OBJECTS } from "./objects.ts";
import { PLANNED } from "./planned.ts";
import { PROXIES } from "./proxies.ts";
import { ROLLOUTS } from "./rollouts.ts";

export type { Act } from "./act.ts";

export const ACTS: readonly Act[] = [
  ...[...PLANNED, ...PROXIES, ...ROLLOUTS, ...DRAINS, ...GROUPS, ...MOVES].map(readsOn),
  ...FAULTS,
  ...OBJECTS,
  ...API_FAULTS.map(readsOn),
  ...CLIENTS,
];

/** No member is lost: readers need not notice more than a closed connection. */
function readsOn(act: Act): Act {
  return { reads: "reconnect", ...act };
}
