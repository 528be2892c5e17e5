/**
 * Refuses a request that is not newer than the last one of the same process: what makes a recorded
 * promise or notice of a change worthless (see signature.ts).
 *
 * Bound: remembers the processes that asked last; an older one may ask again, which the core
 * answers by its own rules (a higher epoch, another holder), and clients by the epoch.
 */
const REMEMBERED = 16;

/** True if the round is newer, and then remembers it. */
export type RoundGate = (holder: string, round: number) => boolean;

export function createRoundGate(): RoundGate {
  const newest = new Map<string, number>();
  return (holder, round) => {
    const last = newest.get(holder);
    if (last !== undefined && round <= last) return false;
    newest.delete(holder);
    newest.set(holder, round);
    const [oldest] = newest.keys();
    if (newest.size > REMEMBERED && oldest !== undefined) newest.delete(oldest);
    return true;
  };
}
