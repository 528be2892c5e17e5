/** The stage on which an act plays: the group of all acts, or one of its own. */
import { stringify } from "yaml";
import type { Cluster } from "@leasehold/cluster";
import type { Act } from "./acts/index.ts";
import { createAuthority, type Authority } from "./authority.ts";
import { groupOf, install, type Group, type Release } from "./group.ts";
import { openStage, type Stage } from "./stage.ts";

/** `shared`: the stage of all acts, which stays open. */
export async function stageFor(cluster: Cluster, act: Act, shared: Stage): Promise<Stage> {
  const { clients = "nodes", habits } = act;
  if (act.release !== undefined) return openOwn(cluster, { ...act, release: act.release, clients });
  if (clients === "outside" || habits !== undefined) {
    return openStage(cluster, { group: shared.group, clients, habits });
  }
  return { ...shared, close: () => Promise.resolve() };
}

type Own = Required<Pick<Act, "release" | "clients">> & Pick<Act, "habits" | "prepare">;

async function openOwn(
  cluster: Cluster,
  { release, clients, habits, prepare }: Own,
): Promise<Stage> {
  const authority = release.tls ? await prepareTls(cluster, release) : null;
  const group = groupOf(cluster, release);
  try {
    const preparation = await prepare?.(cluster, group);
    await install(cluster, authority === null ? release : withTls(release));
    const stage = await openStage(cluster, { group, clients, authority, habits });
    return {
      ...stage,
      ...preparation,
      async close() {
        await stage.close();
        await authority?.close();
        await group.uninstall();
      },
    };
  } catch (error) {
    await group.uninstall().catch(() => {});
    throw error;
  }
}

const secretOf = ({ release }: Release): string => `${release}-certificate`;

function withTls(release: Release): Release {
  const tls = ["tls.enabled=true", `tls.existingSecret=${secretOf(release)}`];
  return { ...release, values: [...(release.values ?? []), ...tls] };
}

async function prepareTls(cluster: Cluster, release: Release): Promise<Authority> {
  const { namespace } = release;
  const object = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
  await cluster.kubectl(["apply", "-f", "-"], { input: stringify(object) });
  const names = namesOf(groupOf(cluster, release));
  const authority = await createAuthority(cluster, { namespace, secret: secretOf(release), names });
  await authority.renew();
  return authority;
}

function namesOf(group: Group): readonly string[] {
  return [group.writeHost, group.readHost, group.memberHost("*")];
}
