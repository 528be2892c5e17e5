/** What alerts and dashboard ask for is what real sidecars print, of a leader and of a replica. */
import { expect, onTestFinished, test } from "vitest";
import { startGroup, type GroupMember } from "@leasehold/testkit/group";
import { ALERTS } from "../../alerts.ts";
import { DASHBOARD } from "../../dashboard.ts";
import { metricNamesIn } from "../expressions.ts";

/** A value of each, but for what this group does not use. */
const UNUSED = /^leasehold_(credentials|certificate)_/;
/** Series that are there once something has happened. */
const EVENTFUL =
  /^leasehold_(fences|switchovers_refused|lease_renew_errors|endpointslice_writes|leader_changes)_total$/;

async function printed(member: GroupMember): Promise<string> {
  const answer = await fetch(`${member.httpUrl}/metrics`, { signal: AbortSignal.timeout(2_000) });
  return answer.text();
}

const hasValue = (text: string, name: string): boolean =>
  new RegExp(`^${name}(_bucket)?(\\{| )`, "m").test(text);

test("every metric that an alert or a panel asks for has a value", async () => {
  const group = await startGroup({ members: 2 });
  onTestFinished(() => group.close());
  const leader = await group.leader(20_000);
  const replica = group.members.find((member) => member !== leader)!;
  await group.until("a replica in sync", 20_000, async () =>
    (await printed(replica)).includes("leasehold_member_ready 1"),
  );
  const panels = DASHBOARD.panels.flatMap((panel) => ("targets" in panel ? panel.targets : []));
  const expressions = [...ALERTS, ...(panels as { expr: string }[])].map(({ expr }) => expr);
  const names = [...new Set(expressions.flatMap(metricNamesIn))];
  expect(names.length).toBeGreaterThan(30);
  const members = [leader, replica];
  // Where the others stand is asked once a second.
  await group.until("the replica's lag", 10_000, async () =>
    (await Promise.all(members.map(printed))).every((text) =>
      hasValue(text, "leasehold_replication_lag_bytes"),
    ),
  );
  const texts = await Promise.all(members.map(printed));
  const unknown = names.filter((name) => texts.some((text) => !text.includes(`# HELP ${name} `)));
  expect(unknown).toEqual([]);
  const ofBoth = names.filter((name) => !UNUSED.test(name) && !EVENTFUL.test(name));
  const missing = ofBoth.filter((name) => !texts.every((text) => hasValue(text, name)));
  expect(missing).toEqual([]);
  expect(texts[0]).toContain("leasehold_member_writable 1");
  expect(texts[0]).toContain("leasehold_write_address_here 1");
  expect(texts[1]).toContain("leasehold_write_address_here 0");
  expect(texts[0]).toContain("leasehold_promotions_total 1");
  expect(texts[0]).toMatch(/^leasehold_redis_memory_used_bytes \d{6,}$/m);
  expect(texts[0]).toMatch(/^leasehold_volume_free_bytes \d{6,}$/m);
});
