/**
 * The closed list of commands: what each does, which rights it needs, how it may end. The program,
 * docs/cli.md and the tests go by it.
 */
import type { Command } from "commander";
import type { Exit } from "./exit.ts";
import type { Session } from "./session.ts";

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** What a Role has to grant: a verb and a resource. */
  readonly rights: readonly string[];
  readonly exits: readonly Exit[];
  /** Loaded when it is called: `demo` brings a whole test bench along. */
  load(session: Session): Promise<Command>;
}

/** Only without `[name]`: the groups of the namespace are listed then. */
const FINDS = "list leases.coordination.k8s.io";
const SEES = [
  FINDS,
  "get leases.coordination.k8s.io",
  "list endpointslices.discovery.k8s.io",
  "list pods",
  "get statefulsets.apps",
  "get configmaps",
  "get pods/proxy",
] as const;
const ASKS = ["patch configmaps", "create configmaps"] as const;
const USUAL = ["done", "unexpected", "usage"] as const;
const ON_CLUSTER = [...USUAL, "unreachable", "interrupted"] as const;
const CHANGES = [...ON_CLUSTER, "refused", "unknown"] as const;

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "status",
    summary: "who leads, how the others follow, what is wrong",
    rights: SEES,
    exits: [...ON_CLUSTER, "unhealthy"],
    load: async (session) => (await import("./commands/status.ts")).statusCommand(session),
  },
  {
    name: "switchover",
    summary: "move the lead to another member without losing a write",
    rights: [...SEES, ...ASKS],
    exits: CHANGES,
    load: async (session) => (await import("./commands/switchover.ts")).switchoverCommand(session),
  },
  {
    name: "failover",
    summary: "make a member lead when automation refuses",
    rights: [...SEES, ...ASKS],
    exits: CHANGES,
    load: async (session) => (await import("./commands/failover.ts")).failoverCommand(session),
  },
  {
    name: "pause",
    summary: "forbid changes of leader that nobody asked for; fencing stays on",
    rights: [...SEES, ...ASKS],
    exits: [...ON_CLUSTER, "unknown"],
    load: async (session) => (await import("./commands/pause.ts")).pauseCommand(session),
  },
  {
    name: "resume",
    summary: "allow them again",
    rights: [...SEES, ...ASKS],
    exits: [...ON_CLUSTER, "unknown"],
    load: async (session) => (await import("./commands/pause.ts")).resumeCommand(session),
  },
  {
    name: "cutover",
    summary: "end a migration: close the source that the group follows, and lead",
    rights: [...SEES, ...ASKS],
    exits: CHANGES,
    load: async (session) => (await import("./commands/cutover.ts")).cutoverCommand(session),
  },
  {
    name: "history",
    summary: "the last changes of leader, with their reasons",
    rights: [FINDS, "get configmaps"],
    exits: ON_CLUSTER,
    load: async (session) => (await import("./commands/history.ts")).historyCommand(session),
  },
  {
    name: "uri",
    summary: "what clients in the cluster connect to",
    rights: [FINDS, "get services", "get secrets"],
    exits: ON_CLUSTER,
    load: async (session) => (await import("./commands/uri.ts")).uriCommand(session),
  },
  {
    name: "version",
    summary: "the version of this program",
    rights: [],
    exits: USUAL,
    load: async (session) => (await import("./commands/version.ts")).versionCommand(session),
  },
  {
    name: "demo",
    summary: "break a group of real Redis processes on this machine in every way",
    rights: [],
    exits: [...USUAL, "interrupted"],
    load: async (session) => (await import("./commands/demo.ts")).demoCommand(session.signal),
  },
];
