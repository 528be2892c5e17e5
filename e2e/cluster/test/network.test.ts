import { describe, expect, test } from "vitest";
import { apiCutRules, CONTROL_PLANE, deletionsOf, dropRule, lossRules } from "../src/network.ts";

describe("packets are lost", () => {
  test("between two nodes on their way through the switch", () => {
    expect(dropRule("n1", "n2")).toContain(" forward iifname lh-n1 oifname lh-n2 drop");
  });

  test("between a node and the control plane at the switch itself", () => {
    expect(dropRule("n1", CONTROL_PLANE)).toContain(" input iifname lh-n1 drop");
    expect(dropRule(CONTROL_PLANE, "n1")).toContain(" output oifname lh-n1 drop");
  });

  test("to and from the API server, while names are still resolved", () => {
    const rules = apiCutRules("n1");
    expect(rules).toHaveLength(3);
    for (const rule of rules) expect(rule).toMatch(/tcp [ds]port (6443|10250) drop$/);
  });

  test("with a probability in both directions", () => {
    expect(lossRules("n3", 30).map((rule) => / (iif|oif)name/.exec(rule)?.[1])).toEqual([
      "iif",
      "oif",
    ]);
  });
});

describe("healing a node", () => {
  const listing = `table bridge leasehold-faults { # handle 1
	chain forward { # handle 1
		type filter hook forward priority filter; policy accept;
		iifname "lh-n1" oifname "lh-n2" drop # handle 5
		iifname "lh-n3" oifname "lh-n2" drop # handle 6
	}

	chain input { # handle 2
		type filter hook input priority filter; policy accept;
		iifname "lh-n1" tcp dport 6443 drop # handle 7
	}
}
`;

  test("deletes the rules that name its cable, each from its own chain", () => {
    expect(deletionsOf(listing, "lh-n1")).toEqual([
      "delete rule bridge leasehold-faults forward handle 5",
      "delete rule bridge leasehold-faults input handle 7",
    ]);
  });

  test("leaves those of other nodes", () => {
    expect(deletionsOf(listing, "lh-n3")).toHaveLength(1);
    expect(deletionsOf(listing, "lh-n4")).toEqual([]);
  });
});
