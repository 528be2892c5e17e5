/** What is seen of a failure (docs/protocol.md, section 6). */
import { SIMULATION, type Mutant } from "./mutant.ts";

export const FAILOVERS: readonly Mutant[] = [
  {
    name: "a closed socket is taken for a death",
    rule: "6, U4",
    profile: "client-kills",
    isQuick: true,
    edits: [
      {
        file: `${SIMULATION}pod/probe.ts`,
        find: "if (this.sidecar.alive) this.sidecar.post(() => this.nudge());",
        replace: 'if (this.sidecar.alive) this.sidecar.observeRedis({ kind: "refused" });',
      },
    ],
  },
  {
    name: "positions as old as the last probe",
    rule: "6, fresh reports",
    profile: "primary-deaths",
    edits: [
      {
        file: `${SIMULATION}pod/ask.ts`,
        find: "      put: (target, reply) => target.probe.refresh(() => reply(target.report())),",
        replace: "      put: (target, reply) => reply(target.report()),",
      },
    ],
  },
];
