/**
 * The users of Redis: who they are, and what each may do. Pure.
 *
 * `leasehold` can observe, change roles and passwords, and reads no key. Whoever may set users
 * may become anybody; it is the sidecar's, over the unix socket alone. `leasehold-replication`
 * may copy the data set: replicas use it, and the sidecar where it asks for the stream.
 * `leasehold-exporter`, if there is one, may read counts and no key.
 */
export const AGENT_USER = "leasehold";
export const REPLICATION_USER = "leasehold-replication";
export const APPLICATION_USER = "default";

export const EXPORTER_USER = "leasehold-exporter";

const OWN_USERS: ReadonlySet<string> = new Set([
  AGENT_USER,
  REPLICATION_USER,
  APPLICATION_USER,
  EXPORTER_USER,
]);

const NOTHING = "resetkeys resetchannels -@all";

export const AGENT_RULES = [
  NOTHING,
  "+info +replicaof +multi +exec +config|set",
  "+client|setname +client|id +client|no-evict",
  "+client|list +client|kill +client|pause +client|unpause +command|info",
  "+acl|setuser",
].join(" ");

export const REPLICATION_RULES = `${NOTHING} +ping +replconf +psync`;

/** Not CONFIG GET: it tells `masterauth`, with which the whole data set can be copied. */
export const EXPORTER_RULES = [
  NOTHING,
  "+ping +info +client|setname +slowlog|get +slowlog|len +latency|latest",
].join(" ");

/** A line of `auth.users`. */
export interface UserLine {
  readonly name: string;
  readonly passwordFile: string;
  readonly rules: string;
}

/** The line's parts, or in a sentence what is wrong with it. */
export function parseUserLine(line: string): UserLine | string {
  const [name = "", passwordFile = "", ...rules] = line.trim().split(/\s+/);
  if (rules.length === 0) {
    return `auth.users: \`${name}\` must be followed by a file with its password and by its rules.`;
  }
  if (!/^[\w.@-]+$/.test(name)) {
    return `auth.users: \`${name}\` is no name: use letters, digits and . _ @ - only.`;
  }
  if (OWN_USERS.has(name)) {
    return `auth.users: \`${name}\` is a user of Leasehold itself; choose another name.`;
  }
  return (
    rulesProblem(`auth.users: ${name}`, rules.join(" ")) ?? {
      name,
      passwordFile,
      rules: rules.join(" "),
    }
  );
}

/** Rules say what a user may do; passwords come from files, so that they can be changed. */
export function rulesProblem(key: string, rules: string): string | null {
  const reserved = /^([><#!].*|nopass|resetpass|reset|on|off)$/i;
  const rule = rules.split(/\s+/).find((word) => reserved.test(word));
  if (rule === undefined) return null;
  // The word may be a password: it is not repeated.
  const shown = /^[><#!]/.test(rule) ? `${rule.charAt(0)}…` : rule;
  return `${key}: the rule \`${shown}\` is Leasehold's: it switches users on and sets their passwords; remove it.`;
}
