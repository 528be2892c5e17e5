export { sidecarRole } from "./cluster-objects.ts";
export type { GroupNames } from "./cluster-objects.ts";
export { startGroup } from "./group.ts";
export type { Group, GroupOptions } from "./group.ts";
export type { GroupMember } from "./group-member.ts";
export type { ControlledProcess, ProcessExit } from "./controlled-process.ts";
export type { RedisControl } from "./member.ts";
export { viewOf, whole } from "./views.ts";
export type { MemberView } from "./views.ts";
