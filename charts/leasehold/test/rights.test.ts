import { expect, test } from "vitest";
import { sidecarRole } from "@leasehold/testkit/group";
import { find, GROUP, NAMESPACE, render } from "./render.ts";

test("the Role is the one under which all tests run sidecars, and which they use to the last verb", async () => {
  const { rules } = find(await render(), "Role", GROUP);
  expect(flat(rules)).toEqual(flat(sidecarRole({ group: GROUP, namespace: NAMESPACE }).rules));
});

test("it may patch the group's pods only where the sidecars label them", async () => {
  const names = { group: GROUP, namespace: NAMESPACE };
  const labelled = flat(sidecarRole(names, { roleLabels: true }).rules);
  for (const values of [
    { roleLabels: { enabled: true } },
    { service: { read: { scope: "replicas" } } },
  ]) {
    expect(flat(find(await render({ values }), "Role", GROUP).rules)).toEqual(labelled);
  }
  expect(labelled).toContain(`patch /pods ${GROUP}-6`);
});

test("the binding gives it to the pods' ServiceAccount", async () => {
  const objects = await render({ values: { serviceAccount: { name: "own" } } });
  expect(find(objects, "RoleBinding", GROUP).subjects).toEqual([
    { kind: "ServiceAccount", name: "own", namespace: NAMESPACE },
  ]);
  expect(find(objects, "ServiceAccount").metadata.name).toBe("own");
  expect(find(objects, "ServiceAccount").automountServiceAccountToken).toBe(false);
  expect(find(objects, "StatefulSet").spec.template.spec.serviceAccountName).toBe("own");
});

test("who looks may change nothing; who operates may write requests and nothing else", async () => {
  const objects = await render({ values: { rbac: { cliRoles: true } } });
  const viewer = flat(find(objects, "Role", `${GROUP}-viewer`).rules);
  const operator = flat(find(objects, "Role", `${GROUP}-operator`).rules);
  expect(viewer.filter((right) => !/^(get|list) /.test(right))).toEqual([]);
  expect(viewer).toContain(`get /pods/proxy ${GROUP}-6:8008`);
  expect(operator.filter((right) => !viewer.includes(right))).toEqual([
    "create /configmaps *",
    `patch /configmaps ${GROUP}-control`,
  ]);
  const tested = await render({ values: { tests: { switchover: true } } });
  expect(flat(find(tested, "Role", `${GROUP}-test`).rules)).toEqual(operator);
});

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** Every single right. */
function flat(rules: readonly Rule[]): readonly string[] {
  return rules
    .flatMap(({ apiGroups = [], resources = [], verbs, resourceNames = ["*"] }) =>
      verbs.flatMap((verb) =>
        resourceNames.map((name) => `${verb} ${apiGroups.join()}/${resources.join()} ${name}`),
      ),
    )
    .toSorted();
}
