/** The label of the pods follows the leader, with the rights that the chart gives for it. */
import { randomUUID } from "node:crypto";
import { expect, it, onTestFinished } from "vitest";
import { startGroup, type GroupMember } from "@leasehold/testkit/group";
import { whole } from "./bench.ts";

it("labels the leader primary and the others replica, before and after a switchover", async () => {
  const group = await startGroup({
    members: 3,
    roleLabels: true,
    // On a busy machine a replica may need longer than the usual 500 ms to say that it caught up.
    settings: { switchover: { maxPauseMs: 1000 } },
  });
  onTestFinished(() => group.close());
  const labelOf = ({ name }: GroupMember): string | undefined =>
    group.api.objects.get({ resource: "pods", namespace: group.namespace, name })?.metadata
      .labels?.["leasehold.dev/role"];
  const labelled = (leader: GroupMember): boolean =>
    group.members.every(
      (member) => labelOf(member) === (member === leader ? "primary" : "replica"),
    );
  const old = await whole(group, 20_000);
  await group.until("the labels", 5_000, () => labelled(old));
  const to = group.members.find((member) => member !== old)!;
  const request = { id: randomUUID(), kind: "switchover", to: to.name, force: false };
  group.api.objects.put({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: `${group.name}-control`, namespace: group.namespace },
    data: { request: JSON.stringify(request) },
  });
  expect(await group.leader(5_000, old)).toBe(to);
  await group.until("the labels to follow", 5_000, () => labelled(to));
  // All others keep theirs: nobody labels what did not change.
  const patches = group.api
    .usage()
    .filter(({ verb, resource }) => verb === "patch" && resource === "pods");
  expect(patches.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(6);
});
