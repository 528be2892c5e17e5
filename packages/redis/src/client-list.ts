/** Reads `CLIENT LIST` as far as it concerns our own connections. Pure. */

export const ROLE_NAME = "leasehold-role";
export const PROBE_NAME = "leasehold-probe";

/** Ids of role connections other than `ownId`: of a predecessor, or lost ones of our own. */
export function otherRoleConnections(clientList: string, ownId: number): readonly number[] {
  return clientList
    .split("\n")
    .filter((line) => ` ${line} `.includes(` name=${ROLE_NAME} `))
    .map((line) => Number(/(?:^| )id=(\d+)/.exec(line)?.[1]))
    .filter((id) => id !== ownId);
}
